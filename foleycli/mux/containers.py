"""What each kind of video file can hold, and what our sound is coded as in it.

Measured with ffmpeg 5.1 and 9.0: sound and picture within 1 ms in mov, mp4, mkv and mxf.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from foleycli.errors import UsageError

TEXT_SUBTITLES = frozenset({"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"})


@dataclass(frozen=True, slots=True)
class Container:
    """One kind of file, as ffmpeg's muxer of that name writes it."""

    muxer: str
    codec: str  # of our sound
    audio: frozenset[str] | None = None  # codecs copied from another kind of file; None: all
    subtitles: frozenset[str] = frozenset()  # copied as they are
    text: str | None = None  # what other text subtitles become
    pictures: frozenset[str] | None = None  # codecs it keeps in time; None: ask ffmpeg
    attachments: bool = False
    cover_art: bool = True
    lost: frozenset[str] = frozenset()  # of a clip's chapters, title and timecode
    sample_rate: int | None = None  # Hz, of all sound; None: any
    sounds: int | None = None  # tracks of sound it has room for; None: any number
    surround: str | None = None  # codec of our sound with more than two channels
    warning: str = ""


_PCM = frozenset({"pcm_s16le", "pcm_s24le"})
_MPEG_AUDIO = frozenset({"mp1", "mp2", "mp3", "ac3", "eac3"})
_MKV_SUBTITLES = frozenset(
    {"subrip", "ass", "ssa", "webvtt", "text", "dvd_subtitle", "hdmv_pgs_subtitle", "dvb_subtitle"}
)

_ALL_PCM = frozenset(
    f"pcm_{kind}{end}" for kind in ("s16", "s24", "s32", "f32", "f64") for end in ("le", "be")
) | {"pcm_u8", "pcm_s8", "pcm_alaw", "pcm_mulaw"}

MOV = Container(
    "mov",
    "pcm_s24le",
    _ALL_PCM | _MPEG_AUDIO | {"aac", "alac"},
    frozenset({"mov_text", "eia_608"}),
    "mov_text",
    cover_art=False,
)
MP4 = Container(
    "mp4",
    "aac",  # PCM in MP4 fails on ffmpeg 5.1
    _MPEG_AUDIO | {"aac", "alac", "flac", "opus", "dts", "truehd", "ac4", "mpegh_3d_audio"},
    frozenset({"mov_text", "dvd_subtitle"}),
    "mov_text",
)
MKV = Container("matroska", "pcm_s24le", None, _MKV_SUBTITLES, "subrip", attachments=True)
# Vorbis, for Opus comes 6.5 ms early out of ffmpeg 5.
WEBM = Container(
    "webm", "libvorbis", frozenset({"opus", "vorbis"}), frozenset({"webvtt"}), "webvtt"
)
MXF = Container("mxf", "pcm_s24le", _PCM, lost=frozenset({"chapters", "title"}), sample_rate=48_000)
AVI = Container(
    "avi",
    "pcm_s24le",
    _PCM | _MPEG_AUDIO | {"pcm_u8", "aac"},
    pictures=frozenset({"mjpeg", "mpeg4", "msmpeg4v3", "dvvideo", "huffyuv", "utvideo", "ffv1"}),
    lost=frozenset({"chapters", "timecode"}),
    warning="AVI may play the sound up to a frame off the picture; .mov or .mkv are exact",
)
TS = Container(
    "mpegts",
    "aac",
    _MPEG_AUDIO | {"aac", "dts", "opus", "truehd"},
    frozenset({"dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle"}),
    pictures=frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "vc1"}),  # others are data
    lost=frozenset({"chapters", "title", "timecode"}),
)
MPG = Container(
    "mpeg",
    "mp2",
    _MPEG_AUDIO,
    frozenset({"dvd_subtitle"}),
    pictures=frozenset({"mpeg1video", "mpeg2video"}),
    surround="ac3",
    lost=frozenset({"chapters", "title", "timecode"}),
)
FLV = Container(
    "flv",
    "aac",
    frozenset({"aac", "mp3"}),
    lost=frozenset({"chapters", "timecode"}),
    sounds=1,
)
THREEGP = Container(
    "3gp",
    "aac",
    frozenset({"aac", "amr_nb", "amr_wb"}),
    frozenset({"mov_text"}),
    "mov_text",
    lost=frozenset({"title", "timecode"}),
)
OGG = Container("ogg", "flac", frozenset({"flac", "vorbis", "opus"}))
ASF = Container(
    "asf",
    "wmav2",
    _MPEG_AUDIO | {"aac", "pcm_s16le", "wmav1", "wmav2", "wmapro", "wmalossless", "wmavoice"},
    pictures=frozenset({"wmv1", "wmv2", "wmv3", "vc1", "mjpeg", "mpeg4", "msmpeg4v3"}),
    lost=frozenset({"timecode"}),
)
NUT = Container("nut", "pcm_s24le", None)

CONTAINERS = {
    ".mov": MOV,
    ".qt": MOV,
    ".mp4": MP4,
    ".m4v": MP4,
    ".f4v": MP4,
    ".mkv": MKV,
    ".webm": WEBM,
    ".mxf": MXF,
    ".avi": AVI,
    ".divx": AVI,
    ".ts": TS,
    ".m2t": TS,
    ".m2ts": TS,
    ".mts": TS,
    ".mpe": MPG,
    ".mpg": MPG,
    ".mpeg": MPG,
    ".vob": MPG,
    ".flv": FLV,
    ".3g2": replace(THREEGP, muxer="3g2"),
    ".3gp": THREEGP,
    ".ogv": OGG,
    ".asf": ASF,
    ".wmv": ASF,
    ".nut": NUT,
}
# ffmpeg's demuxer names, for an output without an extension.
_BY_DEMUXER = {
    "mov": MP4,
    "matroska": MKV,
    "mxf": MXF,
    "avi": AVI,
    "mpegts": TS,
    "mpeg": MPG,
    "flv": FLV,
    "ogg": OGG,
    "asf": ASF,
    "nut": NUT,
}

# The most channels that an encoder takes.
CHANNELS = {"mp2": 2, "wmav2": 2, "ac3": 6, "aac": 8, "alac": 8, "flac": 8, "libopus": 8,
            "libvorbis": 8}  # fmt: skip

LOSSLESS = frozenset({"pcm_s24le", "alac", "flac"})  # encoders

# What a user may ask for in place of the container's own choice, and where it goes.
CODECS = {
    "aac": ({"mov", "mp4", "matroska", "mpegts", "avi", "flv", "3gp", "3g2", "nut"}, "aac"),
    "alac": ({"mov", "mp4", "matroska"}, "alac"),
    "flac": ({"mp4", "matroska", "ogg"}, "flac"),
    "vorbis": ({"matroska", "webm", "ogg"}, "libvorbis"),
    "opus": ({"mp4", "matroska", "webm", "mpegts", "ogg"}, "libopus"),
    "pcm": ({"mov", "matroska", "mxf", "avi", "nut"}, "pcm_s24le"),
    "ac3": ({"mov", "mp4", "matroska", "mpegts", "mpeg", "avi"}, "ac3"),
    "mp2": ({"mov", "mp4", "matroska", "mpegts", "mpeg", "avi"}, "mp2"),
}


def find_container(out: Path, demuxer: str) -> Container:
    """The container an output's name asks for; without an extension, the input's kind.

    Raises:
        UsageError: the extension names no video container we write.
    """
    suffix = out.suffix.lower()
    if suffix in CONTAINERS:
        return CONTAINERS[suffix]
    first_name = demuxer.partition(",")[0]
    if not suffix and first_name in _BY_DEMUXER:
        return _BY_DEMUXER[first_name]
    kind = f"{suffix} files" if suffix else "a file of this kind"
    raise UsageError(
        f"foley cannot put picture and sound into {kind}.",
        "Name the output .mov, .mp4, .mkv, .mxf, .webm, .avi or .ts with -o.",
    )


def find_codec(container: Container, asked: str | None) -> str:
    """ffmpeg's encoder for our sound.

    Raises:
        UsageError: the codec is unknown, or the container does not take it.
    """
    if asked is None:
        return container.codec
    if asked not in CODECS:
        raise UsageError(f"Unknown sound codec {asked}.", f"Known: {', '.join(CODECS)}.")
    muxers, encoder = CODECS[asked]
    if container.muxer not in muxers:
        fitting = [name for name, (takes, _) in CODECS.items() if container.muxer in takes]
        raise UsageError(
            f"A {container.muxer} file does not take {asked}.",
            f"Use {' or '.join(fitting) or 'the default'}, or another output format.",
        )
    return encoder
