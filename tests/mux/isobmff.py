"""Change the sample entries of a .mov or .mp4, as cameras write what no encoder here does."""

import struct
from collections.abc import Callable
from pathlib import Path

AROUND = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def change_entry(
    source: Path, out: Path, handler: bytes, change: Callable[[bytes], bytes], number: int = 0
) -> Path:
    """Rewrite the sample entry of a track; the header must stand last, as ffmpeg writes it.

    Args:
        handler: b"vide" or b"soun".
        change: gets the sample entry with its eight bytes of size and kind.
        number: which of the tracks of this kind.
    """
    content = source.read_bytes()
    place = 0
    while content[place + 4 : place + 8] != b"moov":
        (size,) = struct.unpack_from(">I", content, place)
        if size == 1:
            (size,) = struct.unpack_from(">Q", content, place + 8)
        place += size
    left = [number]

    def rebuilt(data: bytes, in_track: bytes = b"") -> bytes:
        made, at = b"", 0
        while at + 8 <= len(data):
            size, kind = struct.unpack_from(">I4s", data, at)
            body = data[at + 8 : at + size]
            if kind == b"trak":
                ours = handler in body[: body.find(b"hdlr") + 24]
                left[0] -= ours
                body = rebuilt(body, b"this" if ours and left[0] == -1 else b"")
            elif kind in AROUND:
                body = rebuilt(body, in_track)
            elif kind == b"stsd" and in_track:
                body = body[:8] + change(body[8:])
            made += box(kind, body)
            at += size
        return made

    out.write_bytes(content[:place] + rebuilt(content[place:]))
    return out


def with_boxes(*boxes: bytes) -> Callable[[bytes], bytes]:
    """Boxes at the end of a sample entry."""

    def change(entry: bytes) -> bytes:
        return box(entry[4:8], entry[8:] + b"".join(boxes))

    return change
