"""The sound joins the picture; the picture's packets and every other stream stay as they are."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
import soundfile

from foleycli.clip.media import open_media
from foleycli.clip.probe import AudioStream, Clip, OtherStream
from foleycli.config import OUTPUT, LoudnessTarget
from foleycli.errors import FoleyError, MediaError
from foleycli.mux.containers import TEXT_SUBTITLES, Container, find_codec, find_container
from foleycli.mux.ffmpeg import ffmpeg_version, find_ffmpeg, input_path, run_ffmpeg, start_time
from foleycli.mux.loudness import set_loudness
from foleycli.mux.raw import with_times
from foleycli.mux.soundtrack import read_soundtrack, speakers
from foleycli.output import atomic_output, check_output, output_error, scratch_folder
from foleycli.waveform.loudness import limit_peaks
from foleycli.waveform.mix import CENTRE, duck_sounds, mix_sounds
from foleycli.waveform.write import write_waveform

LOG = logging.getLogger("foleycli")

TITLES = {"track": "Foley", "replace": "Foley", "mix": "Foley mix", "duck": "Foley mix"}
# Pictures that no container of film and sound keeps as they are.
NOT_COPIED = frozenset({"gif", "apng", "webp", "bmp", "tiff", "yuv4mpegpipe"})
LOSSY = frozenset({"aac", "libopus", "libvorbis", "ac3", "mp2", "wmav2"})
LOSSY_BITS = 160_000  # per second and channel
MOST_LOSSY_BITS = 384_000  # per second, the most that MP2 takes
MOVIE_TIMESCALE = 48_000  # ticks per second; ffmpeg's own 1000 rounds lengths to a millisecond
TRIAL = 0.1  # seconds that `check_mux` tries
# Where clocks may jump, ffmpeg counts from the first stream that is used, not from the file's.
JUMPING = ("mpegts", "mpeg")


@dataclass(frozen=True, slots=True)
class Track:
    """Where in a file a sound is, as players count and call it."""

    number: int  # of its audio tracks, from 1
    title: str


@dataclass(frozen=True, slots=True)
class _Plan:
    """What becomes of a clip's streams."""

    clip: Clip
    container: Container
    encoder: str
    mode: str
    same_kind: bool  # of file as the clip, so that whatever it holds goes in again
    title: str = ""  # of the new track, in place of the mode's

    @classmethod
    def of(cls, clip: Clip, out: Path, mode: str, codec: str | None) -> "_Plan":
        if clip.codec in NOT_COPIED or clip.container in NOT_COPIED:
            name = clip.path.name
            raise MediaError(
                f"{name}: no video file holds {clip.codec} pictures as they are beside sound.",
                f'Convert it first: ffmpeg -i "{name}" -pix_fmt yuv420p "{clip.path.stem}.mp4"',
            )
        container = find_container(out, clip.container)
        plan = cls(clip, container, find_codec(container, codec), mode, _same_kind(clip, out))
        raw = clip.codec == "rawvideo"  # ffmpeg marks it wrongly in another kind of file
        lost = container.pictures is not None and clip.codec not in container.pictures
        if (lost or raw) and not plan.same_kind:
            kind = clip.path.suffix if raw else ".mov or .mkv"
            raise FoleyError(
                f"{out.suffix} files do not keep {clip.codec} pictures intact.",
                f"Name the output {kind} with -o.",
            )
        return plan

    @property
    def pictures(self) -> list[int]:
        """Indices of the moving pictures and of cover art."""
        others = (stream.index for stream in self.clip.other_pictures)
        return sorted([self.clip.picture_index, *others])

    @property
    def indices(self) -> list[int]:
        """Indices of all streams that go into the output."""
        kept = [*self.own, *(stream for stream, _ in self.subtitles), *self.attachments]
        return [*self.pictures, *(stream.index for stream in kept)]

    @property
    def own(self) -> tuple[AudioStream, ...]:
        """The clip's own sound tracks that stay."""
        return () if self.mode == "replace" else self.clip.audio

    @property
    def first(self) -> bool:
        """Whether our track goes before the clip's own."""
        return self.mode in ("mix", "duck")

    @property
    def track(self) -> Track:
        """The track that is ours."""
        title = self.title or TITLES[self.mode]
        return Track(1 if self.first else len(self.own) + 1, title)

    @property
    def subtitles(self) -> list[tuple[OtherStream, str]]:
        """Subtitles that stay, each with the codec they are written in."""
        kept = [(s, self.subtitle_codec(s.codec)) for s in self.clip.subtitles]
        return [(stream, codec) for stream, codec in kept if codec]

    @property
    def attachments(self) -> tuple[OtherStream, ...]:
        return self.clip.attachments if self.container.attachments else ()

    def subtitle_codec(self, codec: str) -> str | None:
        if self.same_kind or codec in self.container.subtitles:
            return "copy"
        return self.container.text if codec in TEXT_SUBTITLES else None

    def copies(self, track: AudioStream) -> bool:
        known, rate = self.container.audio, self.container.sample_rate
        takes = known is None or track.codec in known
        return self.same_kind or (takes and rate in (None, track.sample_rate))

    def losses(self) -> Iterator[str]:
        """What the container cannot take over as it is, one line each."""
        muxer = self.container.muxer
        if self.container.warning:
            yield self.container.warning
        if self._has_opus() and muxer in ("matroska", "webm") and _is_early():
            yield "Opus plays 6.5 ms early in files that ffmpeg 5 writes; newer ones mend it"
        for track in self.own:
            if not self.copies(track):
                rate = f" at {track.sample_rate} Hz" if self.container.sample_rate else ""
                yield f"{muxer} files take no {track.codec} sound{rate}; it becomes {self.encoder}"
        for subtitle in self.clip.subtitles:
            if self.subtitle_codec(subtitle.codec) is None:
                yield f"{muxer} files take no {subtitle.codec} subtitles; they are left out"
        if self.clip.attachments and not self.container.attachments:
            yield f"{muxer} files take no attachments; they are left out"
        if self.clip.alpha and self.clip.codec in ("vp8", "vp9") and muxer in ("mov", "mp4"):
            yield f"{muxer} files take no transparency of {self.clip.codec}; it is left out"
        if self.clip.cover_art and not self.container.cover_art:
            yield f"{muxer} files take no cover art; it is left out"
        for what, has in self._has().items():
            if has and what in self.container.lost and not self.same_kind:
                yield f"{muxer} files take no {what}; left out"
        rebuilt = (self.clip.timecode is not None) + bool(self.clip.chapters)
        if len(self.clip.data) > rebuilt:
            yield f"{len(self.clip.data) - rebuilt} data streams are left out"

    def _has_opus(self) -> bool:
        return self.encoder == "libopus" or any(
            track.codec == "opus" and self.copies(track) for track in self.own
        )

    def _has(self) -> dict[str, bool]:
        clip = self.clip
        return {
            "chapters": bool(clip.chapters),
            "title": bool(clip.title),
            "timecode": clip.timecode is not None,
        }


def _is_early() -> bool:
    """Whether our ffmpeg is one that counts the lead of Opus in Matroska twice."""
    return ffmpeg_version(find_ffmpeg()).lstrip("n").startswith(("4.", "5."))


def _same_kind(clip: Clip, out: Path) -> bool:
    kind = find_container(out, clip.container)
    return clip.path.suffix.lower() == out.suffix.lower() and kind.muxer in clip.container.split(
        ","
    )


def mux_audio(
    clip: Clip,
    sound: str | Path,
    out: str | Path,
    mode: str = "track",
    *,
    offset: Fraction = Fraction(0),
    codec: str | None = None,
    loudness: LoudnessTarget | None = None,
    title: str = "",
    is_mix: bool = False,
    overwrite: bool = False,
) -> Track:
    """Write a clip with a new sound; the picture is copied bit for bit, whole.

    The sound starts with the picture's first frame, or ``offset`` after it. Existing audio,
    subtitles, chapters, titles, colour, rotation and timecode are kept.

    Modes:
        track: the sound is an extra track titled "Foley", last and not default, or the only one.
        mix: a new first track, default, sums the first existing track and the sound, its peaks
            held under the usual ceiling; every existing track follows, none default.
        duck: as mix, the sound turned down while the existing track is heard.
        replace: the sound is the only audio.

    Args:
        sound: a mono or stereo .wav; for mix and duck at `config.OUTPUT.sample_rate`.
        out: its extension chooses the container.
        offset: seconds from the first frame to the sound's start.
        codec: aac, alac, flac, opus, pcm, ac3 or mp2 in place of the container's usual one.
        loudness: what one gain brings a mix to, as near as its peaks allow; a sound that is not
            mixed goes in as it is.
        title: of the new track, in place of "Foley" or "Foley mix".
        is_mix: the sound holds the existing one already: mode mix places it first, unsummed.

    Raises:
        MediaError: the picture's codec goes into no container with sound.
        UsageError: the container or codec is not one we write, or ``out`` is the clip itself.
        OutputExistsError: ``out`` is there and ``overwrite`` is False.
        FoleyError: ffmpeg failed, most often because the container cannot hold the picture.
    """
    out, sound = Path(out), Path(sound)
    plan = replace(_Plan.of(clip, out, mode, codec), title=title)
    for line in dict.fromkeys(plan.losses()):
        LOG.warning("%s: %s", out.name, line)
    with (
        atomic_output(out, overwrite=overwrite, inputs=(clip.path, sound)) as hidden,
        scratch_folder(hidden.parent) as folder,
    ):
        timed = replace(plan, clip=with_times(clip, folder))
        origin = _origin(timed)
        lead = timed.clip.start - origin + offset
        if plan.first and plan.own and not is_mix:
            mixed = folder / "mix.wav"
            _write_mix(clip, sound, mixed, origin, lead, duck=mode == "duck")
            sound, lead = (set_loudness(mixed, loudness) if loudness else mixed), Fraction(0)
        _run(_mux_spec(timed, sound, lead, hidden), plan, out)
    return plan.track


def check_mux(
    clip: Clip,
    out: str | Path,
    mode: str = "track",
    *,
    codec: str | None = None,
    overwrite: bool = False,
) -> None:
    """Find out before the slow part whether `mux_audio` will work: the first 0.1 s is tried.

    Raises:
        FoleyError: what `mux_audio` would raise.
    """
    check_output(out, overwrite=overwrite, inputs=(clip.path,))
    plan = _Plan.of(clip, Path(out), mode, codec)
    with scratch_folder() as folder:
        sound = folder / "silence.wav"
        silence = np.zeros(round(TRIAL * OUTPUT.sample_rate), np.float32)
        write_waveform(sound, [silence], OUTPUT.sample_rate)
        trial = folder / f"trial{Path(out).suffix}"
        _run(_mux_spec(plan, sound, Fraction(0), trial, t=TRIAL), plan, Path(out))


def _origin(plan: _Plan) -> Fraction:
    """The time on the clip's own clock that ffmpeg makes the output's zero."""
    clip = plan.clip
    if clip.container.startswith(JUMPING):
        with open_media(clip.path) as file:
            used = [file.streams[index] for index in plan.indices]
            begins = [
                s.start_time * s.time_base for s in used if s.start_time is not None and s.time_base
            ]
        return min(begins, default=clip.format_start)
    begin = start_time(clip.path)
    return clip.format_start if begin is None else begin


def _mux_spec(plan: _Plan, sound: Path, lead: Fraction, hidden: Path, **extra: Any) -> Any:
    """The ffmpeg command as an ffmpeg-python stream spec."""
    clip = plan.clip
    # raw streams carry no time stamps and get them here
    film = ffmpeg.input(input_path(clip.path), fflags="+genpts")
    foley = _placed(ffmpeg.input(input_path(sound)).audio, plan, sound, lead)
    own = [film[str(track.index)] for track in plan.own]
    pictures = plan.pictures
    streams = [
        *(film[str(index)] for index in pictures),
        *([foley, *own] if plan.first else [*own, foley]),
        *(film[str(stream.index)] for stream, _ in plan.subtitles),
        *(film[str(stream.index)] for stream in plan.attachments),
    ]
    options = {
        "f": plan.container.muxer,
        "map_metadata": 0,
        "map_chapters": 0,
        "c:v": "copy",
        "c:t": "copy",
        "max_muxing_queue_size": 9999,
        **_container_options(plan),
        **_sound_options(plan, sound, pictures=len(pictures)),
        **_own_options(plan, pictures=len(pictures)),
        **{f"c:s:{number}": codec for number, (_, codec) in enumerate(plan.subtitles)},
    }
    return ffmpeg.output(*streams, input_path(hidden), **options, **extra)


def _placed(foley: Any, plan: _Plan, sound: Path, lead: Fraction) -> Any:
    """Silence before the sound, exact to a sample: unlike an edit list, every reader obeys it."""
    sample_rate = soundfile.info(str(sound)).samplerate
    samples = round(lead * sample_rate)
    if samples > 0:
        foley = foley.filter("adelay", delays=f"{samples}S", all=1)
    if plan.container.muxer == "mxf" and plan.clip.duration:  # ends with its shortest stream
        foley = foley.filter("apad", whole_len=round(plan.clip.duration * sample_rate))
    return foley


def _container_options(plan: _Plan) -> dict[str, Any]:
    muxer, clip = plan.container.muxer, plan.clip
    if muxer == "mxf" and clip.frame_rate:
        return {"r:v": f"{clip.frame_rate.numerator}/{clip.frame_rate.denominator}"}
    if muxer not in ("mov", "mp4"):
        return {}
    # "strict": ffmpeg 5 calls FLAC in MP4 experimental
    options: dict[str, Any] = {"movie_timescale": MOVIE_TIMESCALE, "strict": "-2"}
    if any(name.startswith("com.") for name in clip.tags):
        options["movflags"] = "+use_metadata_tags"  # phones' own keys are lost without it
    if clip.codec == "hevc" and clip.codec_tag not in ("hvc1", "hev1"):
        options[f"tag:v:{clip.picture_number}"] = "hvc1"  # Apple's players open no other
    return options


def _sound_options(plan: _Plan, sound: Path, pictures: int) -> dict[str, Any]:
    place, title = plan.track.number - 1, plan.track.title
    options: dict[str, Any] = {
        f"c:a:{place}": plan.encoder,
        f"metadata:s:a:{place}": f"title={title}",
        f"disposition:a:{place}": "default" if plan.first or not plan.own else 0,
    }
    if plan.container.muxer in ("mov", "mp4"):  # their track name; a key goes in once only
        options[f"metadata:s:{pictures + place}"] = f"handler_name={title}"
    if plan.encoder in LOSSY:
        bits = LOSSY_BITS * soundfile.info(str(sound)).channels
        options[f"b:a:{place}"] = min(bits, MOST_LOSSY_BITS)
    if plan.encoder == "flac":  # all 24 bits
        options[f"sample_fmt:a:{place}"] = "s32"
    return options


def _own_options(plan: _Plan, pictures: int) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for number, track in enumerate(plan.own, start=1 if plan.first else 0):
        if plan.first:  # what else a track is, such as a commentary, it stays
            options[f"disposition:a:{number}"] = "-default"
        options[f"c:a:{number}"] = "copy" if plan.copies(track) else plan.encoder
        if plan.container.sample_rate and not plan.copies(track):
            options[f"ar:a:{number}"] = plan.container.sample_rate
        if track.title and not plan.same_kind:  # Matroska's title is MOV's handler_name
            options[f"metadata:s:a:{number}"] = f"title={track.title}"
            options[f"metadata:s:{pictures + number}"] = f"handler_name={track.title}"
    return options


def _run(spec: Any, plan: _Plan, out: Path) -> None:
    find_ffmpeg()  # that there is none is no fault of the output's
    try:
        run_ffmpeg(spec, f"mux the sound into {out.name}")
    except OSError as error:
        raise output_error(error, out) from error
    except FoleyError as error:
        others = [name for name in (".mov", ".mkv") if name != out.suffix.lower()]
        raise FoleyError(
            f"{error.problem.rstrip('.')} (the picture is {plan.clip.codec}).",
            f"Name the output {' or '.join(others)} with -o, or convert it to H.264 first.",
        ) from error


def _write_mix(
    clip: Clip, sound: Path, mixed: Path, origin: Fraction, lead: Fraction, *, duck: bool
) -> None:
    """Sum a clip's first own track and the sound, both counted from the output's zero."""
    own, sample_rate = clip.audio[0], OUTPUT.sample_rate
    existing = read_soundtrack(clip.path, own.index, sample_rate, origin)
    with soundfile.SoundFile(str(sound)) as file:
        if file.samplerate != sample_rate:
            raise ValueError(f"{sound} has {file.samplerate} Hz, not {sample_rate}")
        channels = max(own.channels, file.channels)
        foley = _after_silence(file, round(lead * sample_rate))
        named = speakers(own.layout) if channels == own.channels else ()
        centre = CENTRE if not named else named.index("FC") if "FC" in named else None
        if duck:
            blocks = duck_sounds(existing, foley, channels, sample_rate, centre)
        else:
            blocks = mix_sounds(existing, foley, channels, centre)
        limited = limit_peaks(blocks, OUTPUT.true_peak_db, sample_rate)
        write_waveform(mixed, limited, sample_rate, channels, speakers=named)


def _after_silence(file: soundfile.SoundFile, lead: int) -> Iterator[np.ndarray]:
    block = 1 << 16
    for start in range(0, lead, block):
        yield np.zeros((min(block, lead - start), file.channels), np.float32)
    yield from file.blocks(blocksize=block, dtype="float32", always_2d=True)
