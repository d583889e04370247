"""A file -> Clip: what is in it, where its picture begins, and whether it can be used at all."""

import logging
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av import AudioStream as AvAudioStream
from av import VideoFrame
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition, Stream
from av.video.reformatter import ColorTrc
from av.video.stream import VideoStream

from foleycli.clip.media import decoded, open_media
from foleycli.clip.timecode import Timecode
from foleycli.errors import MediaError, UsageError

LOG = logging.getLogger("foleycli")
STILL_FORMATS = ("image2", "_pipe")
COVER_CODECS = ("png", "mjpeg", "bmp", "webp", "gif")
ASIDE = (
    Disposition.comment
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.descriptions
    | Disposition.lyrics
    | Disposition.karaoke
)
NAMED_ASIDE = re.compile(r"commentary|audio description|descriptive", re.IGNORECASE)
NOT_FILM = Disposition.attached_pic | Disposition.timed_thumbnails
SLOWEST, FASTEST = Fraction(1, 60), 100_000  # frames a second that are believed
LONGEST = 48 * 3600  # seconds that a header is believed


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioStream:
    """A sound track: ``index`` counts all streams of the file, ``start`` is on its clock."""

    index: int
    codec: str  # "" when FFmpeg knows no decoder for it
    channels: int
    layout: str
    sample_rate: int  # Hz
    start: Fraction | None  # seconds
    duration: Fraction | None  # seconds, by the header
    title: str
    language: str
    is_default: bool = False  # the track that players choose
    is_aside: bool = False  # a commentary, or a track for those who do not hear or see


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherStream:
    """Subtitles, an attachment, data, or a further picture."""

    index: int
    codec: str  # "" when FFmpeg knows no decoder for it
    title: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """What a film file holds. Times are seconds on the file's own clock, exact.

    Attributes:
        container: FFmpeg's name of the format, such as "mov,mp4,m4a,3gp,3g2,mj2".
        picture_index: the picture's place among all streams; ``picture_number`` among the videos.
        width, height: pixels as shown: upright and with square pixels.
        coded_width, coded_height: pixels as stored.
        pixel_aspect: width of a stored pixel over its height.
        rotation: degrees counter-clockwise that make the stored picture upright: 0, 90, 180, 270.
        frame_rate: nominal; pictures need not keep to it. None when the file says nothing.
        time_base: seconds in one tick of the picture's clock.
        start: when the first picture is shown; ``format_start``: when the earliest stream begins.
        duration: of the picture by the header, which may lie; None when the header is silent.
            What decodes decides: see ``frames.decode``.
        timecode: of the first picture.
        timed: whether pictures carry time stamps; raw streams do not, and are counted.
        transfer: transfer characteristic of the colours, "" when not stated.
        other_pictures: further videos and cover art, which are not looked at.
        cover_art: whether there is any.
    """

    path: Path
    container: str
    picture_index: int
    picture_number: int
    codec: str
    profile: str
    width: int
    height: int
    coded_width: int
    coded_height: int
    pixel_aspect: Fraction
    rotation: int
    frame_rate: Fraction | None
    time_base: Fraction
    start: Fraction
    format_start: Fraction
    duration: Fraction | None
    timecode: Timecode | None
    timed: bool
    pixel_format: str
    bits: int
    alpha: bool
    interlaced: bool
    colorspace: int  # AVColorSpace number, ITU-T H.273
    transfer: str
    audio: tuple[AudioStream, ...] = ()
    subtitles: tuple[OtherStream, ...] = ()
    attachments: tuple[OtherStream, ...] = ()
    data: tuple[OtherStream, ...] = ()
    other_pictures: tuple[OtherStream, ...] = ()
    cover_art: bool = False
    chapters: int = 0
    title: str = ""
    codec_tag: str = ""  # four letters by which the container calls the codec, such as hvc1
    tags: tuple[str, ...] = ()  # names of the file's own metadata

    @property
    def main_sound(self) -> AudioStream | None:
        """The track that is the film's own sound: the default one, else the first that is no
        commentary. .mov and .mp4 often mark all tracks as default, which then says nothing."""
        heard = [track for track in self.audio if track.codec]
        marked = [track for track in heard if track.is_default]
        if len(marked) == 1:
            return marked[0]
        plain = [track for track in marked or heard if not track.is_aside]
        return next(iter([*plain, *heard]), None)


def probe(path: str | Path) -> Clip:
    """Look into a file: read its header and decode its first picture.

    Raises:
        MediaError: it is not there, not a film, or nothing of its picture decodes.
    """
    path = Path(path)
    with open_media(path) as container:
        stream = _choose_picture(container, path)
        return _describe(path, container, stream, _first_picture(container, stream, path))


def _choose_picture(container: InputContainer, path: Path) -> VideoStream:
    """The film among the pictures: marked as default, else the first; never cover art."""
    films = [s for s in container.streams.video if not _is_cover(s, container)]
    if not films:
        raise _no_film(container, path)
    if _is_still(container):
        raise MediaError(
            f"{path.name} is a still picture, which has no length.",
            "Make a clip of it first: ffmpeg -loop 1 -i picture -t 5 -pix_fmt yuv420p clip.mp4",
        )
    marked = [s for s in films if s.disposition & Disposition.default]
    chosen = marked[0] if len(marked) == 1 else films[0]
    if len(films) > 1:
        LOG.warning(
            "%s: %d pictures in one file; stream %d is used, the others are not looked at.",
            path.name,
            len(films),
            chosen.index,
        )
    return chosen


def _is_cover(stream: VideoStream, container: InputContainer) -> bool:
    if stream.disposition & NOT_FILM:
        return True
    # taggers that forget the mark still store a single JPEG or PNG beside the sound
    alone = len(container.streams.video) == 1 and not container.streams.audio
    return not alone and _codec(stream) in COVER_CODECS and stream.frames == 1


def _is_still(container: InputContainer) -> bool:
    return container.format.name.endswith(STILL_FORMATS)


def _no_film(container: InputContainer, path: Path) -> MediaError:
    if container.streams.audio:
        cover = " and cover art" if container.streams.video else ""
        return MediaError(
            f"{path.name} holds sound{cover} but no moving picture.",
            "Give the film that the sound is for.",
        )
    return MediaError(f"{path.name} holds no picture.", "Give a film.")


def _first_picture(container: InputContainer, stream: VideoStream, path: Path) -> VideoFrame:
    if stream.codec_context is None:
        raise MediaError(
            f"{path.name} is coded in a way that FFmpeg cannot decode.",
            "Export it as H.264 .mp4 or ProRes .mov.",
        )
    for frame in decoded(container, stream):
        return frame
    raise MediaError(
        f"No picture of {path.name} can be decoded ({stream.codec_context.name}).",
        "Copy it from the source again, or export it as H.264 .mp4.",
    )


def _describe(
    path: Path, container: InputContainer, stream: VideoStream, first: VideoFrame
) -> Clip:
    rate = stream.guessed_rate or stream.average_rate or stream.base_rate
    if rate and not SLOWEST <= rate <= FASTEST:
        rate = None
    time_base = stream.time_base or Fraction(1, 1000)
    aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    rotation = round(first.rotation / 90) * 90 % 360
    width, height = max(1, round(first.width * aspect)), first.height
    if rotation % 180:
        width, height = height, width
    format_start = Fraction(container.start_time or 0, av.time_base)
    start = format_start if first.pts is None else first.pts * time_base
    others = [s for s in container.streams.video if s is not stream]
    return Clip(
        path=path,
        container=container.format.name,
        picture_index=stream.index,
        picture_number=container.streams.video.index(stream),
        codec=_codec(stream),
        profile=str(stream.profile or ""),
        width=width,
        height=height,
        coded_width=first.width,
        coded_height=first.height,
        pixel_aspect=aspect,
        rotation=rotation,
        frame_rate=Fraction(rate) if rate else None,
        time_base=time_base,
        start=start,
        format_start=format_start,
        duration=_header_duration(container, stream),
        timecode=_find_timecode(container, stream, first, rate, path),
        timed=first.pts is not None,
        pixel_format=first.format.name,
        bits=max(component.bits for component in first.format.components),
        alpha=any(component.is_alpha for component in first.format.components),
        interlaced=first.interlaced_frame,
        colorspace=int(first.colorspace),
        transfer=_transfer_name(int(first.color_trc)),
        audio=tuple(_audio(s) for s in container.streams.audio),
        subtitles=tuple(_other(s) for s in container.streams.subtitles),
        attachments=tuple(_other(s) for s in container.streams.attachments),
        data=tuple(_other(s) for s in container.streams.data),
        other_pictures=tuple(_other(s) for s in others),
        cover_art=any(_is_cover(s, container) for s in others),
        chapters=len(container.chapters()),
        title=container.metadata.get("title", ""),
        codec_tag=stream.codec_context.codec_tag,
        tags=tuple(container.metadata),
    )


def _header_duration(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """How long the picture should be: its own header, else Matroska's tag, else the file's."""
    duration = _tagged_duration(stream)
    if stream.duration and stream.time_base:
        duration = stream.duration * stream.time_base
    # the file's own length counts its longest stream: a hint only where the picture is alone
    elif duration is None and container.duration and not container.streams.audio:
        duration = Fraction(container.duration, av.time_base)
    return duration if duration and 0 < duration < LONGEST else None


def _tagged_duration(stream: VideoStream) -> Fraction | None:
    try:
        hours, minutes, seconds = stream.metadata.get("DURATION", "").split(":")
        return (int(hours) * 60 + int(minutes)) * 60 + Fraction(seconds[:13])
    except ValueError:
        return None


def _transfer_name(number: int) -> str:
    try:
        transfer = ColorTrc(number)
    except ValueError:
        return ""
    return "" if transfer is ColorTrc.UNSPECIFIED else transfer.name.lower()


def _audio(stream: AvAudioStream) -> AudioStream:
    context, tick = stream.codec_context, stream.time_base
    known = context is not None
    return AudioStream(
        index=stream.index,
        codec=_codec(stream),
        channels=context.layout.nb_channels if known else 0,
        layout=context.layout.name if known else "",
        sample_rate=context.sample_rate if known else 0,
        start=stream.start_time * tick if stream.start_time is not None and tick else None,
        duration=stream.duration * tick if stream.duration and tick else None,
        title=_title(stream),
        language=stream.metadata.get("language", ""),
        is_default=bool(stream.disposition & Disposition.default),
        is_aside=bool(stream.disposition & ASIDE) or bool(NAMED_ASIDE.search(_title(stream))),
    )


def _other(stream: Stream) -> OtherStream:
    return OtherStream(
        index=stream.index,
        codec=_codec(stream),
        title=_title(stream),
        language=stream.metadata.get("language", ""),
    )


def _codec(stream: Stream) -> str:
    """The codec's own name, not its decoder's: mp3, not mp3float; hdmv_pgs_subtitle, not pgssub."""
    context = stream.codec_context
    return context.codec.canonical_name if context else ""


def _title(stream: Stream) -> str:
    """A track's name: ``title`` in Matroska, ``name`` or ``handler_name`` in MOV and MP4."""
    metadata = stream.metadata
    handler = metadata.get("handler_name", "")
    return (
        metadata.get("title")
        or metadata.get("name")
        or ("" if handler.endswith("Handler") else handler)
    )


def _find_timecode(
    container: InputContainer,
    stream: VideoStream,
    first: VideoFrame,
    rate: Fraction | None,
    path: Path,
) -> Timecode | None:
    """Of the picture's own track, else a timecode track, the file's header, a GOP header."""
    if not rate:
        return None
    sources = [stream.metadata, *(s.metadata for s in container.streams.data), container.metadata]
    # Matroska writes the names of its tags in capitals
    tags = [(name.lower(), value) for tags in sources for name, value in tags.items()]
    labels = [value for name, value in tags if name == "timecode" and value]
    label = labels[0] if labels else _gop_timecode(first)
    if not label:
        return None
    try:
        return Timecode.parse(label, Fraction(rate))
    except UsageError as error:
        LOG.warning("%s: its timecode is ignored. %s", path.name, error.problem)
        return None


def _gop_timecode(frame: VideoFrame) -> str:
    """MPEG-2's 25 bits (ISO 13818-2, 6.3.8); all zero is what encoders write that have none."""
    try:
        data = cast(Any, frame.side_data).get(SideDataType.GOP_TIMECODE)
    except ValueError:  # PyAV 18 knows no EXIF, which cameras write into Motion JPEG
        return ""
    if data is None:
        return ""
    bits = int.from_bytes(bytes(data)[:4], "little")
    hours, minutes = bits >> 19 & 31, bits >> 13 & 63
    seconds, frames = bits >> 6 & 63, bits & 63
    if not (hours or minutes or seconds or frames):
        return ""
    separator = ";" if bits >> 24 & 1 else ":"
    return f"{hours:02}:{minutes:02}:{seconds:02}{separator}{frames:02}"
