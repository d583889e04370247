"""Pictures into a film of an exact number of frames, and the sound beside it, untouched."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import ffmpeg
from av import VideoFrame

from foleycli.clip.timecode import Timecode
from foleycli.config import SAME_BYTES, VISUALIZE
from foleycli.errors import UsageError
from foleycli.mux.containers import CONTAINERS, MKV, MOV, MP4, Container
from foleycli.mux.ffmpeg import input_path, run_ffmpeg
from foleycli.visualize.sound import Sound

KINDS = (".mov", ".mp4", ".m4v", ".mkv")
BT709 = 1  # matrix, primaries and transfer, ITU-T H.273
LIMITED = 1
AAC_BITS = 192_000  # per second and channel
# a decoded sample's own kind -> PCM that holds it exactly
EXACT = {
    "u8": "pcm_u8",
    "s16": "pcm_s16le",
    "s32": "pcm_s32le",
    "flt": "pcm_f32le",
    "dbl": "pcm_f64le",
}


def find_kind(out: Path) -> Container:
    """The container an output's name asks for.

    Raises:
        UsageError: it is none that we write pictures into.
    """
    if out.suffix.lower() not in KINDS:
        raise UsageError(
            f"foley visualize writes no {out.suffix or 'file without a suffix'}.",
            "Name the output .mov, .mkv (they keep the sound's own samples) or .mp4.",
        )
    return CONTAINERS[out.suffix.lower()]


def write_film(
    path: Path,
    frames: Iterable[VideoFrame],
    size: tuple[int, int],
    frame_rate: Fraction,
    *,
    preset: str = VISUALIZE.preset,
    qp: int | None = None,
) -> int:
    """Encode pictures (yuv420p, BT.709) as H.264, one after another; how many there were.

    Args:
        qp: one quantiser for all, in place of the same quality for all: x264 then looks at no
            picture before it codes it, which is two fifths of the time of its quickest preset.
    """
    count = 0
    with av.open(str(path), "w") as container:
        quality = {"crf": str(VISUALIZE.crf)} if qp is None else {"qp": str(qp)}
        options = {"preset": preset, "x264-params": SAME_BYTES, **quality}
        stream: Any = container.add_stream("libx264", rate=frame_rate, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        context = stream.codec_context
        context.time_base = 1 / frame_rate
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED
        context.thread_count = VISUALIZE.threads
        context.gop_size = max(1, round(frame_rate * VISUALIZE.key_seconds))
        for frame in frames:
            frame.pts, frame.time_base = count, 1 / frame_rate
            frame.colorspace, frame.color_range = BT709, LIMITED
            container.mux(stream.encode(frame))
            count += 1
        container.mux(stream.encode(None))
    return count


def join_sound(picture: Path, sound: Sound, out: Path, timecode: Timecode | None) -> None:
    """Put a film and a sound's own packets, or its own samples, into one file.

    Raises:
        FoleyError: ffmpeg failed.
    """
    container = find_kind(out)
    heard = ffmpeg.input(input_path(sound.path))["a:0"]
    if not sound.whole:
        end = sound.begin + sound.samples
        heard = heard.filter("atrim", start_sample=sound.begin, end_sample=end)
        heard = heard.filter("asetpts", "PTS-STARTPTS")
    streams = ffmpeg.input(input_path(picture))["v:0"], heard
    options: dict[str, Any] = {
        "f": container.muxer,
        "c:v": "copy",
        "c:a": sound_codec(sound, container),
        "map_metadata": -1,
        "metadata:s:a:0": f"title={sound.path.stem}",
    }
    if options["c:a"] == "aac":
        options["b:a"] = AAC_BITS * sound.channels
    if container in (MOV, MP4):
        options |= {"movflags": "+faststart", "strict": "-2"}
        options["metadata:s:1"] = f"handler_name={sound.path.stem}"
        del options["metadata:s:a:0"]
    if timecode is not None:
        options["timecode"] = str(timecode)
    run_ffmpeg(ffmpeg.output(*streams, input_path(out), **options), f"write {out.name}")


def sound_codec(sound: Sound, container: Container) -> str:
    """How a sound goes in: copied, as PCM of its own samples, or (in .mp4) as AAC."""
    known = container.audio
    if not sound.whole:  # packets cannot be cut to the sample
        return "aac" if container is MP4 else _exact(sound)
    if known is None or sound.codec in known:
        if container is MKV and sound.codec in ("pcm_s8", "pcm_f64be", "pcm_f32be"):
            return _exact(sound)
        return "copy"
    return "aac" if container is MP4 else _exact(sound)


def keeps_samples(sound: Sound, out: Path) -> bool:
    """Whether the sound's own samples are in the output."""
    return sound_codec(sound, find_kind(out)) != "aac"


def _exact(sound: Sound) -> str:
    return EXACT.get(sound.format.removesuffix("p"), "pcm_f32le")
