"""A film file, opened: only if it is one, named by its content, decoded past what is broken."""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import av
from av import VideoFrame
from av.container import InputContainer
from av.error import EOFError as AvEOFError
from av.error import FFmpegError, InvalidDataError
from av.video.stream import VideoStream

from foleycli.errors import MediaError
from foleycli.output import check_path

# one local file and nothing it points to: a playlist cannot reach the network or other files
OPEN_OPTIONS = {"protocol_whitelist": "file"}
PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"<MPD", b"<?xml")
HASHED_PART = 1 << 20  # bytes


def open_media(path: Path) -> InputContainer:
    """Open a film for reading; the container closes as a context manager does.

    Raises:
        MediaError: the file cannot be opened, with the reason in words.
    """
    check_file(path)
    try:
        # "file:" so that a name with a colon is not taken for a protocol
        container = av.open(f"file:{path}", metadata_errors="replace", options=OPEN_OPTIONS)
    except (FFmpegError, OSError, ValueError) as error:
        raise _not_readable(path, error) from error
    own_layouts(container)
    return container


def own_layouts(container: InputContainer) -> None:
    """Let sound with channels in an order of its own be looked at, such as 7.1 PCM in a .mov.

    PyAV 18 shares such a layout between objects that each free it, and the process dies. Here the
    decoder gets a layout that nobody has to free: the usual one, or so many channels.
    """
    for stream in container.streams.audio:
        context = stream.codec_context
        layout = context.layout if context else None
        if layout and layout.nb_channels:
            listed = " (" in layout.name  # 8 channels (FL+FR+FC+LFE+SL+SR+BL+BR)
            context.layout = f"{layout.nb_channels} channels" if listed else layout.name


def content_hash(path: str | Path) -> str:
    """A name for a file's content that takes milliseconds, even for a 200 GB master.

    BLAKE2b over the size and 1 MiB each of head, middle and tail (all of a file up to 3 MiB).
    It tells one export from another, whose length, header or index differ; it is not meant to
    prove that nobody changed a byte.

    Returns:
        32 hexadecimal digits
    """
    with Path(path).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        digest = hashlib.blake2b(str(size).encode(), digest_size=16)
        parts = (0, size // 2 - HASHED_PART // 2, size - HASHED_PART)
        for offset in parts if size > 3 * HASHED_PART else (0,):
            file.seek(offset)
            digest.update(file.read(HASHED_PART if size > 3 * HASHED_PART else size))
    return digest.hexdigest()


def stamp(path: str | Path) -> str:
    """Size and time of the last change, by which a file is known again without reading it; "" where
    it cannot be looked at. Copies have other stamps: then `content_hash` decides."""
    try:
        facts = Path(path).stat()
    except OSError:
        return ""
    return f"{facts.st_size} {facts.st_mtime_ns}"


def check_unchanged(path: Path, before: str) -> None:
    """Refuse a file that is not what it was when its `content_hash` was ``before``.

    Raises:
        MediaError: it changed.
    """
    if content_hash(path) != before:
        raise MediaError(
            f"{path.name} changed while it was read.", "Run again when it is finished."
        )


def check_file(path: Path) -> None:
    """Refuse what is no file that can be read, or is gone.

    Raises:
        MediaError: why it cannot be used.
        UsageError: it is standard input, a device or an address.
    """
    check_path(path, "reads")
    try:
        path.lstat()
        is_there = path.exists()
    except FileNotFoundError:
        is_there = False
    except OSError as error:
        raise MediaError(
            f"{path} cannot be reached: {error.strerror}.", "Check the name and its folder."
        ) from error
    if not is_there and path.is_symlink():
        if _leads_back(path):
            raise MediaError(
                f"{path.name} is a link in a loop: it leads back to itself.",
                "Give the film itself.",
            )
        raise MediaError(
            f"{path.name} is a link to {path.readlink()}, which is not there.",
            "Mount the volume it points to, or give the film itself.",
        )
    if not is_there:
        raise MediaError(f"{path} does not exist.", "Check the name.")
    if path.is_dir():
        raise MediaError(f"{path.name} is a folder, not a film.", "Give a file in it.")
    if not os.access(path, os.R_OK):
        raise MediaError(f"{path.name} may not be read.", "Change its permissions (chmod u+r).")
    if not path.is_file():
        raise MediaError(f"{path.name} is a device or a pipe.", "Save it as a file first.")
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        raise MediaError(f"{path.name} is empty (0 bytes).", "Copy or export it again.")
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(PLAYLISTS):
        # FFmpeg would wait for a live one to go on
        raise MediaError(f"{path.name} is a list of films, not a film.", "Give the films in it.")


def _leads_back(link: Path) -> bool:
    try:
        link.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def _not_readable(path: Path, error: Exception) -> MediaError:
    with path.open("rb") as file:
        head = file.read(64)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return MediaError(
            f"{path.name} is cut off or damaged: its index (moov) is missing or unreadable.",
            "Copy it from the source again, or export it again.",
        )
    if isinstance(error, InvalidDataError):
        return MediaError(
            f"{path.name} is not a film in any format that FFmpeg knows, or it is damaged.",
            "Export it as H.264 .mp4 or ProRes .mov.",
        )
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return MediaError(f"{path.name} cannot be opened: {reason}.", "Export it as H.264 .mp4.")


class Damage:
    """What went wrong while decoding, counted, so that it is said once and not per packet."""

    def __init__(self) -> None:
        self.packets = 0  # did not decode
        self.pictures = 0  # decoded, but the decoder had to invent parts


def decoded(
    container: InputContainer, stream: VideoStream, damage: Damage | None = None
) -> Iterator[VideoFrame]:
    """Pictures that decode, in the order of showing; packets that do not go into ``damage``."""
    damage = damage or Damage()
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (FFmpegError, OSError):  # the file ends in the middle of something
            damage.packets += 1
            packet = None
        except IndexError:  # PyAV 18 at the end of a file in which a further stream turned up
            packet = None
        if packet is not None and not packet.size and packet.dts is not None:
            continue  # Theora's way to say that a picture stays
        try:
            # None drains the pictures the decoder still holds
            yield from stream.decode(packet)
        except (FFmpegError, ValueError) as error:
            if not isinstance(error, AvEOFError):
                damage.packets += 1
        if packet is None:
            return
