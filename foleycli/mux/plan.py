"""What becomes of a clip's streams: each is copied, coded anew or left out, and that is said.

First by what is known of each kind of file, then by what ffmpeg says when it is tried.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from foleycli.clip.probe import AudioStream, Clip, OtherStream
from foleycli.errors import MediaError, UsageError
from foleycli.mux.containers import (
    CHANNELS,
    LOSSLESS,
    MOV,
    TEXT_SUBTITLES,
    Container,
    find_codec,
    find_container,
)
from foleycli.mux.ffmpeg import ffmpeg_version, find_ffmpeg
from foleycli.mux.look import Seen, SeenStream, look

Fate = Literal["copy", "convert", "leave"]
Stream = AudioStream | OtherStream
Kind = TypeVar("Kind", AudioStream, OtherStream)

# Moving pictures that no container of film and sound keeps as they are, by FFmpeg's demuxers.
NOT_COPIED = ("gif", "apng", "webp", "yuv4mpegpipe")
# Data that the muxer makes anew: timecode, and the titles of chapters.
REBUILT = frozenset({"tmcd", "text"})


TITLES = {"track": "Foley", "replace": "Foley", "mix": "Foley mix", "duck": "Foley mix"}


@dataclass(frozen=True, slots=True)
class Track:
    """Where in a file a sound is, as players count and call it."""

    number: int  # of its audio tracks, from 1
    title: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of a clip's streams."""

    clip: Clip
    container: Container
    encoder: str
    mode: str
    same_kind: bool  # of file as the clip, so that whatever it holds is tried as it is
    seen: Seen  # the clip as our ffmpeg sees it
    fates: Mapping[int, Fate] = field(default_factory=dict)  # of all streams but the film itself
    title: str = ""  # of the new track, in place of the mode's

    @classmethod
    def of(cls, clip: Clip, out: Path, mode: str, codec: str | None) -> "Plan":
        """What is known before anything is tried.

        Raises:
            MediaError: the picture's codec goes into no container with sound.
            UsageError: the container or codec is not one we write, has no room, or does not keep
                such pictures.
        """
        if clip.container.startswith(NOT_COPIED):
            raise MediaError(
                f"{clip.path.name}: no video file holds {clip.codec} pictures as they are beside "
                "sound.",
                how_to_convert(clip),
            )
        container = find_container(out, clip.container)
        same = clip.path.suffix.lower() == out.suffix.lower()
        same_kind = same and container.muxer in clip.container.split(",")
        encoder = find_codec(container, codec)
        plan = cls(clip, container, encoder, mode, same_kind, look(clip.path))
        plan._check_pictures(out)
        plan._check_room(out)
        return replace(plan, fates=dict(plan._first_fates()))

    def _check_pictures(self, out: Path) -> None:
        clip, known = self.clip, self.container.pictures
        raw = clip.codec == "rawvideo"  # ffmpeg marks it wrongly in another kind of file
        if not self.same_kind and (raw or (known is not None and clip.codec not in known)):
            kind = clip.path.suffix if raw else ".mov or .mkv"
            raise UsageError(
                f"{out.suffix} files do not keep {clip.codec} pictures intact.",
                f"Name the output {kind} with -o.",
            )

    def _check_room(self, out: Path) -> None:
        own = len(self.clip.audio)
        if self.mode == "track" and own and self.container.sounds == 1:
            raise UsageError(
                f"{out.suffix or self.container.muxer} files have room for one sound, and "
                f"{self.clip.path.name} has its own.",
                "Give --replace or --mix, or name the output .mp4 or .mov with -o.",
            )

    def _first_fates(self) -> Iterator[tuple[int, Fate]]:
        for track in self.own:
            yield track.index, self._fate_of_sound(track)
        for stream in self.clip.subtitles:
            yield stream.index, self._fate_of_subtitles(stream)
        for stream in self.clip.attachments:
            yield stream.index, "copy" if self.container.attachments else "leave"
        for stream in self.clip.other_pictures:
            yield stream.index, "copy"

    def _fate_of_sound(self, track: AudioStream) -> Fate:
        known, rate = self.container.audio, self.container.sample_rate
        codec = self.codec(track)
        if not track.codec:  # ffmpeg writes it without what a decoder needs, unless it knows how
            return "copy" if known is not None and codec in known else "leave"
        takes = known is None or codec in known
        fits = rate in (None, track.sample_rate)
        return "copy" if self.same_kind or (takes and fits) else "convert"

    def _fate_of_subtitles(self, stream: OtherStream) -> Fate:
        codec = self.codec(stream)
        if codec and (self.same_kind or codec in self.container.subtitles):
            return "copy"
        return "convert" if self.container.text and codec in TEXT_SUBTITLES else "leave"

    @property
    def own(self) -> tuple[AudioStream, ...]:
        """The clip's own sound tracks that there is room for."""
        return () if self.mode == "replace" or self.container.sounds == 1 else self.clip.audio

    @property
    def mixes(self) -> bool:
        """Whether our sound is mixed with the clip's own."""
        return self.mode in ("mix", "duck") and self.clip.main_sound is not None

    @property
    def first(self) -> bool:
        """Whether our track goes before the clip's own."""
        return self.mode in ("mix", "duck")

    @property
    def track(self) -> Track:
        """The track that is ours."""
        usual = TITLES[self.mode if self.mixes else "track"]
        return Track(1 if self.first else len(self.sounds) + 1, self.title or usual)

    @property
    def pictures(self) -> list[int]:
        """Indices of the moving pictures and of cover art that stay."""
        others = (stream.index for stream in self.kept(self.clip.other_pictures))
        return sorted([self.clip.picture_index, *others])

    @property
    def sounds(self) -> list[AudioStream]:
        """The clip's own sound tracks that stay."""
        return self.kept(self.own)

    @property
    def subtitles(self) -> list[OtherStream]:
        return self.kept(self.clip.subtitles)

    @property
    def attachments(self) -> list[OtherStream]:
        return self.kept(self.clip.attachments)

    @property
    def indices(self) -> list[int]:
        """Indices of all streams that go into the output."""
        kept = [*self.sounds, *self.subtitles, *self.attachments]
        return [*self.pictures, *(stream.index for stream in kept)]

    def kept(self, streams: tuple[Kind, ...]) -> list[Kind]:
        return [stream for stream in streams if self.fates.get(stream.index) != "leave"]

    def copies(self, stream: Stream) -> bool:
        return self.fates.get(stream.index) == "copy"

    def encoder_of(self, channels: int) -> str:
        """The encoder of a sound that is not copied."""
        surround = self.container.surround
        return surround if surround and channels > 2 else self.encoder

    def codec(self, stream: Stream) -> str:
        """A stream's codec, also one that can only be named; "" if it cannot."""
        seen = self.seen.streams.get(stream.index)
        said = seen.codec if seen and seen.codec != "none" else ""
        return stream.codec or said

    def called(self, stream: Stream) -> str:
        """A stream's codec in words; of one that nobody decodes, those of the container."""
        seen = self.seen.streams.get(stream.index)
        tag = seen.tag.strip() if seen else ""
        return stream.codec or tag or self.codec(stream) or "unknown"

    def with_fate(self, index: int, fate: Fate) -> "Plan":
        return replace(self, fates={**self.fates, index: fate})

    def bare(self) -> "Plan":
        """Nothing but the film and our sound."""
        return replace(self, fates=dict.fromkeys(self.fates, "leave"))

    def losses(self) -> Iterator[str]:
        """What the container cannot take over as it is, one line each."""
        if self.container.warning:
            yield self.container.warning
        if self._has_opus() and self.container.muxer in ("matroska", "webm") and _is_early():
            yield "Opus plays 6.5 ms early in files that ffmpeg 5 writes; newer ones mend it"
        yield from _grouped(self._sound_losses(), "audio track")
        yield from _grouped(self._subtitle_losses(), "subtitle track")
        yield from self._other_losses()

    def _sound_losses(self) -> Iterator[tuple[int, str]]:
        muxer = self.container.muxer
        if self.container.sounds == 1 and self.mixes:
            for number in range(1, len(self.clip.audio) + 1):
                yield number, f"{muxer} files have room for one sound; the clip's own is left out"
        for number, track in enumerate(self.own, 1):
            called, encoder = self.called(track), self.encoder_of(track.channels)
            rate = f" at {track.sample_rate} Hz" if self.container.sample_rate else ""
            fate = self.fates[track.index]
            if fate == "leave" and not track.codec:
                yield number, f"{called} sound is left out, for ffmpeg cannot read it"
            elif fate == "leave":
                yield number, f"{called} sound is left out: {muxer} files do not take it"
            elif fate == "convert":
                most = CHANNELS.get(encoder, track.channels)
                fewer = f" with {most} of {track.channels} channels"
                fewer = fewer if track.channels > most else ""
                kept = f", which {keeper} keeps" if (keeper := self._keeper(track, encoder)) else ""
                line = f"{muxer} files take no {called} sound{rate}{kept}; it becomes {encoder}"
                yield number, line + fewer

    def _keeper(self, track: AudioStream, encoder: str) -> str:
        """The kind of file that keeps a sound as it is, where this one makes it worse."""
        if encoder in LOSSLESS:
            return ""
        if track.codec in (MOV.audio or ()):
            return ".mov"
        return ".mkv" if track.codec in LOSSLESS | {"truehd", "dts", "opus", "vorbis"} else ""

    def _subtitle_losses(self) -> Iterator[tuple[int, str]]:
        for number, stream in enumerate(self.clip.subtitles, 1):
            if self.fates[stream.index] == "leave":
                muxer, called = self.container.muxer, self.called(stream)
                yield number, f"{muxer} files take no {called} subtitles; they are left out"

    def _other_losses(self) -> Iterator[str]:
        muxer, clip = self.container.muxer, self.clip
        if any(self.fates[stream.index] == "leave" for stream in clip.attachments):
            yield f"{muxer} files take no attachments; they are left out"
        if clip.alpha and clip.codec in ("vp8", "vp9") and muxer in ("mov", "mp4"):
            yield f"{muxer} files take no transparency of {clip.codec}; it is left out"
        if clip.cover_art and not self.container.cover_art:
            yield f"{muxer} files take no cover art; it is left out"
        for stream in clip.other_pictures:
            if self.fates[stream.index] == "leave":
                yield f"{muxer} files do not take the {self.called(stream)} picture of stream " \
                      f"{stream.index} beside the film; it is left out"  # fmt: skip
        for what, has in self._has().items():
            if has and what in self.container.lost and not self.same_kind:
                yield f"{muxer} files take no {what}; left out"
        for data in self._lost_data():
            yield f"{_named(data)} is left out"

    def _lost_data(self) -> list[SeenStream]:
        return [stream for stream in self.seen.kind("Data") if stream.tag not in REBUILT]

    def _has_opus(self) -> bool:
        return self.encoder == "libopus" or any(
            track.codec == "opus" and self.copies(track) for track in self.sounds
        )

    def _has(self) -> dict[str, bool]:
        clip = self.clip
        return {
            "chapters": bool(clip.chapters),
            "title": bool(clip.title),
            "timecode": clip.timecode is not None,
        }


def settle(plan: Plan, attempt: Callable[[Plan], str]) -> Plan:
    """Change the fates of those streams that ffmpeg refuses: from copied to coded anew, else left
    out.

    Args:
        attempt: tries a plan; why it fails, "" where it does not.

    Raises:
        PictureRefused: the film itself and our sound do not go in.
    """
    if not attempt(plan):
        return plan
    settled = plan.bare()
    if reason := attempt(settled):
        raise PictureRefused(reason)
    for index, wanted in plan.fates.items():
        for fate in _from(wanted, index, plan):
            tried = settled.with_fate(index, fate)
            if not attempt(tried):
                settled = tried
                break
    return settled


def _from(wanted: Fate, index: int, plan: Plan) -> list[Fate]:
    """What to try for a stream, the best first; when all fail it is left out."""
    text = plan.container.text and index in {
        s.index for s in plan.clip.subtitles if s.codec in TEXT_SUBTITLES
    }
    sound = index in {track.index for track in plan.own if track.codec}
    if wanted == "copy" and (sound or text):
        return ["copy", "convert"]
    return [] if wanted == "leave" else [wanted]


class PictureRefused(Exception):
    """Why a kind of file does not take a film, in ffmpeg's words."""


def how_to_convert(clip: Clip) -> str:
    """The command that makes a clip one that goes into any kind of file."""
    name, stem = clip.path.name, clip.path.stem
    made = f"{stem}.mp4" if clip.path.suffix.lower() != ".mp4" else f"{stem}_h264.mp4"
    return f'Convert it first: ffmpeg -i "{name}" -pix_fmt yuv420p "{made}"'


def _is_early() -> bool:
    """Whether our ffmpeg is one that counts the lead of Opus in Matroska twice."""
    return ffmpeg_version(find_ffmpeg()).lstrip("n").startswith(("4.", "5."))


def _grouped(numbered: Iterator[tuple[int, str]], what: str) -> Iterator[str]:
    """Lines that are the same become one, with the tracks it is about."""
    lines: dict[str, list[int]] = {}
    for number, line in numbered:
        lines.setdefault(line, []).append(number)
    for line, numbers in lines.items():
        several = "s" if len(numbers) > 1 else ""
        yield f"{line} ({what}{several} {', '.join(map(str, numbers))})"


def _named(data: SeenStream) -> str:
    kind = data.tag.strip() or (data.codec if data.codec != "none" else "")
    name = f' "{data.name}"' if data.name else ""
    return f"the data of stream {data.index} ({kind or 'unknown'}{name})"
