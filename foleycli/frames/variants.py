"""One film becomes the same film in close-up or with a moving camera, its sound untouched."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av import Packet, VideoFrame
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.stream import Stream
from av.video.stream import VideoStream

from foleycli.clip.media import content_hash, open_media
from foleycli.clip.probe import Clip, probe
from foleycli.config import VariantConfig
from foleycli.errors import MediaError
from foleycli.frames.crop import turn_frame
from foleycli.frames.resize import color_matrix
from foleycli.frames.windows import (
    Dissolve,
    Grade,
    View,
    Window,
    clip_window,
    see_frame,
    stored_box,
)
from foleycli.output import atomic_output

NOTES = ".made"  # a note a film, from which an interrupted run goes on
KEPT_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".ts", ".m2ts", ".mts")  # others become .mkv


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A row of the manifest; pixels are of the upright picture, ``source_hash`` is `content_hash`.

    ``x, y`` is where the window begins and ``end_x, end_y`` where it is after ``seconds``; of a
    dissolve that is its first shot. ``more`` is JSON of what else the kind has.
    """

    id: str
    kind: str
    file: str
    source: str  # file name of the film
    picture_width: int
    picture_height: int
    x: float
    y: float
    w: int
    h: int
    end_x: float
    end_y: float
    seconds: float
    easing: str
    seed: int
    pictures: int
    sha256: str
    sound: str  # SHA-256 of the packets of all sound tracks
    source_hash: str
    more: str = ""

    @property
    def window(self) -> View:
        """How the film is seen."""
        more = json.loads(self.more) if self.more else {}
        if self.kind == "grade":
            return Grade(**more)
        window = Window(
            self.picture_width,
            self.picture_height,
            self.w,
            self.h,
            (self.x, self.y),
            (self.end_x, self.end_y),
            self.seconds,
            self.easing,
        )
        if self.kind == "transition":
            (x, y), start, seconds = more["place"], more["start"], more["seconds"]
            after = replace(window, first=(x, y), last=(x, y))
            return Dissolve(window, after, start, seconds)
        return replace(window, last_size=tuple(more["last_size"])) if more else window

    @classmethod
    def read(cls, row: dict[str, str]) -> "Variant":
        """From a row of the manifest; those of earlier versions have fewer columns."""
        kinds = cls.__annotations__.items()
        return cls(**{name: kind(row[name]) for name, kind in kinds if row.get(name) is not None})


@dataclass(frozen=True, slots=True)
class Task:
    """One film to be varied."""

    id: str
    film: Path
    folder: Path
    kind: str
    config: VariantConfig

    @property
    def note(self) -> Path:
        return self.folder / NOTES / f"{self.id}.json"

    @property
    def file(self) -> str:
        suffix = self.film.suffix.lower()
        return self.id + (suffix if suffix in KEPT_SUFFIXES else ".mkv")


def write_variant(task: Task) -> None:
    """Vary one film, unless that is done: the picture coded anew, the sound copied.

    Raises:
        MediaError: the film cannot be used.
    """
    source_hash = content_hash(task.film)
    out = task.folder / task.file
    if out.is_file() and read_note(task.note).get("source_hash") == source_hash:
        return
    task.note.unlink(missing_ok=True)
    clip = probe(task.film)
    window = clip_window(task.kind, clip, task.id, task.config)
    with atomic_output(out, overwrite=True, inputs=(task.film,)) as hidden:
        try:
            pictures = _transcode(clip, window, hidden, task.config)
        except (FFmpegError, ValueError) as error:
            raise _not_copied(task.film, out, str(error)) from error
        sound = sound_hash(hidden)
        if sound != sound_hash(task.film):
            raise _not_copied(task.film, out, "its sound would not stay the same")
    seen, more = _columns(window, clip)
    (x, y), (end_x, end_y) = seen.first, seen.last
    variant = Variant(
        id=task.id, kind=task.kind, file=task.file, source=task.film.name,
        picture_width=clip.width, picture_height=clip.height,
        x=x, y=y, w=seen.width, h=seen.height, end_x=end_x, end_y=end_y,
        seconds=seen.seconds, easing=seen.easing, seed=task.config.seed, pictures=pictures,
        sha256=file_hash(out), sound=sound, source_hash=source_hash,
        more=more,
    )  # fmt: skip
    with atomic_output(task.note, overwrite=True) as note:
        note.write_text(json.dumps(asdict(variant)))


def _columns(view: View, clip: Clip) -> tuple[Window, str]:
    """A view as the manifest has it: a window, and JSON of what that does not say."""
    if isinstance(view, Dissolve):
        facts = {"place": view.after.first, "start": view.start, "seconds": view.seconds}
        return view.before, json.dumps(facts)
    if isinstance(view, Grade):
        sides = clip.width, clip.height
        return Window(*sides, *sides, (0.0, 0.0), (0.0, 0.0)), json.dumps(asdict(view))
    return view, json.dumps({"last_size": view.last_size}) if view.last_size else ""


def read_note(note: Path) -> dict[str, Any]:
    return json.loads(note.read_text()) if note.is_file() else {}


def _not_copied(film: Path, out: Path, why: str) -> MediaError:
    return MediaError(
        f"{film.name} cannot be varied into {out.suffix}: {why}.", "Convert it to .mkv first."
    )


def _transcode(clip: Clip, window: View, out: Path, config: VariantConfig) -> int:
    """Read every packet once: sound goes through, pictures are decoded, cut and coded.

    Returns:
        How many pictures there are.
    """
    if not clip.timed:
        raise MediaError(f"{clip.path.name} has no time stamps.", "Put it into .mkv first.")
    options = {"fflags": "+bitexact"}  # Matroska would draw an id for the file
    if out.suffix in (".mp4", ".m4v", ".mov"):
        options["video_track_timescale"] = str(clip.time_base.denominator)
    with open_media(clip.path) as source, av.open(str(out), "w", options=options) as result:
        picture = source.streams[clip.picture_index]
        assert isinstance(picture, VideoStream)
        coder = _Coder(result, clip, window, config)
        copies = {s.index: result.add_stream_from_template(s) for s in source.streams.audio}
        for packet in packets_of(source, [picture, *source.streams.audio]):
            if packet is None or packet.stream is picture:
                coder.add(_decoded(picture, packet))
            elif packet.size:
                packet.stream = copies[packet.stream.index]
                result.mux(packet)
        coder.finish()
    return coder.pictures


def packets_of(source: InputContainer, streams: Sequence[Stream]) -> Iterator[Packet | None]:
    """As far as the file can be read, then None."""
    with suppress(FFmpegError, OSError):  # it ends in the middle of something
        yield from (packet for packet in source.demux(*streams) if packet.size)
    yield None


def _decoded(picture: VideoStream, packet: Packet | None) -> list[VideoFrame]:
    """Pictures of a packet; none of one that is damaged. None gives those still held back."""
    try:
        return picture.decode(packet)
    except (FFmpegError, ValueError):
        return []


class _Coder:
    """Codes what is seen, upright, at the film's own time stamps."""

    def __init__(
        self, result: OutputContainer, clip: Clip, window: View, config: VariantConfig
    ) -> None:
        self._clip, self._window, self._result = clip, window, result
        self._last: int | None = None  # time stamp
        self.pictures = 0
        full = clip.pixel_format.startswith("yuvj")
        width, height = self._size = self._sizes(config.enlarge)
        stream = result.add_stream("libx264", rate=clip.frame_rate or 25)
        stream.pix_fmt = "yuvj420p" if full else "yuv420p"
        stream.width, stream.height = (height, width) if clip.rotation % 180 else (width, height)
        # no pictures out of order and one thread: the same stamps and the same bytes everywhere
        stream.options = {"crf": str(config.crf), "preset": config.speed, "bf": "0"}
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = stream.time_base = clip.time_base
        aspect = clip.pixel_aspect
        stream.codec_context.sample_aspect_ratio = 1 / aspect if clip.rotation % 180 else aspect
        self._stream = stream

    def _sizes(self, enlarge: bool) -> tuple[int, int]:
        """Width and height of what is cut out, as it is stored, even."""
        width, height = self._clip.coded_width, self._clip.coded_height
        if not enlarge:
            share = (0.0, 0.0, *self._window.size_share)
            _, _, width, height = stored_box(share, (width, height), self._clip.rotation)
        return 2 * round(width / 2), 2 * round(height / 2)

    def add(self, frames: list[VideoFrame]) -> None:
        """Code frames; one that repeats a stamp, or has none, is left out as players do."""
        for frame in frames:
            if frame.pts is None or (self._last is not None and frame.pts <= self._last):
                continue
            part = self._see(frame)
            if not self.pictures:
                self._tag(part, frame)
            self._last = frame.pts
            self.pictures += 1
            self._result.mux(self._stream.encode(part))

    def _see(self, frame: VideoFrame) -> VideoFrame:
        clip = self._clip
        time = float(Fraction(frame.pts or 0) * clip.time_base - clip.start)
        part = see_frame(frame, self._window, time, clip.rotation, self._size)
        matrix = color_matrix(part)
        coded = part.reformat(
            format=self._stream.pix_fmt, src_colorspace=matrix, dst_colorspace=matrix
        )
        turned = turn_frame(coded, clip.rotation)
        turned.pts, turned.time_base = frame.pts, clip.time_base
        turned.colorspace, turned.color_range = part.colorspace, part.color_range
        return turned

    def _tag(self, part: VideoFrame, frame: VideoFrame) -> None:
        """Colours as the film states them, the matrix said outright."""
        coder = self._stream.codec_context
        coder.colorspace, coder.color_range = part.colorspace, part.color_range
        coder.color_primaries, coder.color_trc = frame.color_primaries, frame.color_trc

    def finish(self) -> None:
        """Code what is held back."""
        if not self.pictures:
            raise MediaError(f"No picture of {self._clip.path.name} can be decoded.",
                             "Copy it from the source again.")  # fmt: skip
        self._result.mux(self._stream.encode(None))


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sound_hash(path: Path) -> str:
    """SHA-256 of all packets of all sound tracks, in hexadecimal."""
    digest = hashlib.sha256()
    with open_media(path) as source:
        tracks = {stream.index: hashlib.sha256() for stream in source.streams.audio}
        for packet in packets_of(source, source.streams.audio) if tracks else ():
            if packet is not None:
                tracks[packet.stream.index].update(bytes(packet))
    for track in tracks.values():
        digest.update(track.digest())
    return digest.hexdigest()
