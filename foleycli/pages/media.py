"""Films and sounds made small enough for a page that is sent around: H.264 and AAC in MP4, which
every browser plays."""

import base64
import io
from dataclasses import asdict
from pathlib import Path

import av
import ffmpeg

from foleycli.config import CinematicConfig, VariantConfig
from foleycli.evaluate.clipset import Example
from foleycli.evaluate.contestants import FULL
from foleycli.frames.variants import Task, write_variant
from foleycli.mux.ffmpeg import input_path, run_ffmpeg
from foleycli.waveform.loudness import limit_peaks
from foleycli.waveform.sound import at_loudness, read_native
from foleycli.waveform.write import write_waveform

HEIGHT = 360  # pixels at most
QUALITY = 28  # CRF of x264; more is smaller
SOUND_RATE = "96k"  # bits per second
LOUDNESS = -23.0  # LUFS at which sounds are compared by ear (EBU R 128)
POSTER = 320  # pixels, the longer side
PEAK = -2.0  # dBTP


def seen_film(example: Example, variant: str, config: CinematicConfig, folder: Path) -> Path:
    """The film as models saw it: itself, or a close-up or camera move of it, made in a folder."""
    if variant == FULL:
        return example.clip
    task = Task(example.id, example.clip, folder, variant, VariantConfig(**asdict(config)))
    task.note.parent.mkdir(parents=True, exist_ok=True)
    write_variant(task)
    return folder / task.file


def small_picture(film: Path, out: Path) -> None:
    """Write a film's picture alone, small."""
    picture = ffmpeg.input(input_path(film)).video.filter(
        "scale", -2, f"min({HEIGHT},trunc(ih/2)*2)"
    )
    options = {"c:v": "libx264", "crf": QUALITY, "preset": "veryfast", "pix_fmt": "yuv420p",
               "movflags": "+faststart", "threads": 1}  # fmt: skip
    run_ffmpeg(ffmpeg.output(picture, str(out), **options), f"make {film.name} smaller")


def small_sound(sound: Path, out: Path, *, level: bool) -> None:
    """Write a file's sound alone, mono, counted from its picture.

    Args:
        level: at -23 LUFS, so that nobody chooses the louder one; silence stays silence.
    """
    samples, sample_rate = read_native(sound)
    if level:
        samples = at_loudness(samples, LOUDNESS, sample_rate)
    wav = out.with_suffix(".wav")
    write_waveform(wav, limit_peaks([samples], PEAK, sample_rate), sample_rate, overwrite=True)
    coded = ffmpeg.input(input_path(wav)).audio
    options = {"c:a": "aac", "b:a": SOUND_RATE, "movflags": "+faststart"}
    run_ffmpeg(ffmpeg.output(coded, str(out), **options), f"make {sound.name} smaller")
    wav.unlink()


def join(picture: Path, sound: Path, out: Path) -> None:
    """Put a picture and a sound that were made small into one file, the packets as they are."""
    streams = ffmpeg.input(input_path(picture)).video, ffmpeg.input(input_path(sound)).audio
    options = {"c": "copy", "movflags": "+faststart"}
    run_ffmpeg(ffmpeg.output(*streams, str(out), **options), f"join {picture.name} and its sound")


def encode64(path: Path) -> str:
    """A file's bytes as text, for a page that holds all it shows."""
    return base64.b64encode(path.read_bytes()).decode("ascii")


def first_picture(film: Path) -> str:
    """A film's first picture as an address that holds it: what a player shows before it plays."""
    with av.open(str(film)) as container:
        image = next(container.decode(video=0)).to_image()
    image.thumbnail((POSTER, POSTER))
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=70)
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.getvalue()).decode('ascii')}"
