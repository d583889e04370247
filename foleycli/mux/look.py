"""What an ffmpeg says of a file: its streams, and what the container says beside them.

PyAV's own FFmpeg may see a file otherwise than the ffmpeg that we run, and it does not show what
stands beside a stream, such as Dolby Vision or a rotation.
"""

import re
import subprocess
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path

from foleycli.clip.media import stamp
from foleycli.mux.ffmpeg import find_ffmpeg, packaged_ffmpeg

_START = re.compile(r"^  Duration: \S+, start: (-?\d+\.\d+)", re.MULTILINE)
_STREAM = re.compile(r"^\s+Stream #0:(\d+)(?:\[0x\w+\])?(?:\((\w+)\))?: (\w+): (.*)$")
_TAG = re.compile(r"\(([^()]{4}) / 0x[0-9A-F]{8}\)")
_HANDLER = re.compile(r"^\s+(?:title|name|handler_name)\s*: (.+)$", re.IGNORECASE)
_BESIDE = re.compile(r"^\s+([A-Za-z][\w .-]*?)(?::\s*(.*)|)$")
# What stands beside a stream, in the words of one ffmpeg or another, and what people call it.
_NAMES = (
    ("dovi", "Dolby Vision"),
    ("display ?matrix", "the rotation"),
    ("spherical", "that it is spherical (360°)"),
    ("stereo ?3d|3d reference", "that it is stereoscopic"),
    ("mastering display", "HDR: the mastering display"),
    ("content light", "HDR: the content light level"),
    ("ambient viewing", "HDR: the ambient light"),
    ("dynamic hdr|hdr dynamic|hdr10\\+|hdr vivid", "dynamic HDR"),
    ("cropping", "the cropping"),
    ("icc", "the ICC profile"),
    ("lcevc", "LCEVC"),
    ("replay ?gain", "the replay gain"),
)


@dataclass(slots=True)
class SeenStream:
    """A stream as ffmpeg lists it."""

    index: int
    kind: str  # Video, Audio, Subtitle, Data, Attachment
    codec: str  # "none" where it knows none
    tag: str  # four letters by which the container calls the codec, "" if it has none
    language: str
    flags: frozenset[str]  # default, forced, comment ...
    name: str = ""
    beside: dict[str, str] = field(default_factory=dict)  # side data by its usual name


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as an ffmpeg sees it."""

    start: Fraction | None  # when its earliest stream begins, in seconds
    streams: dict[int, SeenStream]

    def kind(self, kind: str) -> list[SeenStream]:
        return [stream for _, stream in sorted(self.streams.items()) if stream.kind == kind]


def look(path: Path, binary: str | None = None) -> Seen:
    """List what is in a file.

    Args:
        binary: an ffmpeg; the one that we run when None.
    """
    return read_listing(_listed(binary or find_ffmpeg(), path.absolute(), stamp(path)))


@lru_cache(maxsize=64)
def _listed(binary: str, path: Path, _stamp: str) -> str:
    """What it says of a file, asked once: ffmpeg takes a tenth of a second to start."""
    command = [binary, "-hide_banner", "-nostdin", "-i", f"file:{path}"]
    said = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return said.stderr


def start_time(path: Path) -> Fraction | None:
    """When a file's earliest stream begins, in seconds, as the ffmpeg that we run sees it.

    Opus in Matroska begins 7 ms earlier for ffmpeg 5 than for PyAV. None where the file does not
    say.
    """
    return look(path).start


@cache
def keenest_ffmpeg() -> str:
    """The ffmpeg that sees most: imageio-ffmpeg's, which is newer than many a system's."""
    return packaged_ffmpeg() or find_ffmpeg()


def read_listing(said: str) -> Seen:
    """Read what ``ffmpeg -i`` writes on stderr."""
    found = _START.search(said)
    streams: dict[int, SeenStream] = {}
    current: SeenStream | None = None
    beside = False
    for line in said.splitlines():
        if match := _STREAM.match(line):
            current = _read_stream(match)
            streams.setdefault(current.index, current)
            beside = False
        elif current is None:
            continue
        elif re.match(r"^\s+(Metadata|Side data):\s*$", line, re.IGNORECASE):
            beside = "ide data" in line
        elif beside and (match := _BESIDE.match(line)):
            if name := _usual_name(match[1]):
                current.beside[name] = _plain(match[2] or "")
        elif (match := _HANDLER.match(line)) and not match[1].endswith("Handler"):
            current.name = current.name or match[1].strip()
    return Seen(Fraction(found[1]) if found else None, streams)


def _read_stream(match: re.Match[str]) -> SeenStream:
    index, language, kind, rest = match.groups()
    tag = _TAG.search(rest)
    flags = []
    while found := re.search(r" \(([a-z_ ]+)\)$", rest):
        flags.append(found[1])
        rest = rest[: found.start()]
    codec = re.split(r"[ ,]", rest, maxsplit=1)[0]
    known = language if language and language != "und" else ""
    return SeenStream(int(index), kind, codec, tag[1] if tag else "", known, frozenset(flags))


def _usual_name(said: str) -> str:
    for pattern, name in _NAMES:
        if re.search(pattern, said, re.IGNORECASE):
            return name
    return ""


def _plain(value: str) -> str:
    """A value in words that two ffmpegs agree about: what it is, without how exactly."""
    return " ".join(value.replace("-0.00", "0.00").split())
