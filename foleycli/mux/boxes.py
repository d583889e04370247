"""Boxes of a .mov's or .mp4's picture that ffmpeg does not write are put back as they were.

Dolby Vision in .mov, spatial video (MV-HEVC), spherical marks, a clean aperture: they stand in the
picture's sample entry (ISO/IEC 14496-12, 8.5.2) and say how the untouched packets are shown.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from foleycli.clip.media import open_media
from foleycli.errors import MediaError

# Children of a visual sample entry that tell of the picture and point nowhere.
KEPT = frozenset(
    {
        b"dvcC", b"dvvC", b"dvwC", b"hvcE", b"avcE",  # Dolby Vision
        b"lhvC", b"vexu", b"hfov",  # spatial video: its second layer, its eyes, its angle of view
        b"st3d", b"sv3d",  # stereoscopic, spherical
        b"mdcv", b"clli", b"SmDm", b"CoLL", b"amve",  # HDR
        b"clap", b"ccst",
    }
)  # fmt: skip
# Boxes that say the same in two ways; readers refuse a file with both, the clip's is kept.
_SAME = (frozenset({b"st3d", b"vexu"}), frozenset({b"sv3d", b"vexu"}))
_PATH = (b"mdia", b"minf", b"stbl", b"stsd")
_ENTRY = 78  # bytes of a visual sample entry's own fields, after its name
_LARGEST = 1 << 28  # bytes of a moov box that is read


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int  # of its header
    content: int  # after its header
    end: int


def restore_boxes(clip: Path, out: Path) -> list[str]:
    """Put back what stands in the clip's picture's sample entry and not in the output's.

    Both files may be of any kind; where one is no .mov or .mp4 nothing happens, as where the
    output's header does not stand last, for then everything after it would move.

    Returns:
        the names of the boxes that were put back.
    """
    with clip.open("rb") as file:
        source = _moov(file)
    with out.open("rb") as file:
        target, place = _moov(file), _last_moov(file)
    if source is None or target is None or place is None:
        return []
    theirs, ours = _picture_entry(source), _picture_entry(target)
    if not theirs or not ours or _codec(source, theirs) != _codec(target, ours):
        return []
    wanted = [box for box in _children(source, theirs[-1]) if box.kind in KEPT]
    there = _children(target, ours[-1])
    missing = [box for box in wanted if box.kind not in {other.kind for other in there}]
    kinds = {box.kind for box in wanted}
    replaced = {kind for same in _SAME if same & kinds for kind in same - kinds}
    dropped = [box for box in there if box.kind in replaced]
    if not missing and not dropped:
        return []
    added = b"".join(source[box.start : box.end] for box in missing)
    _write_moov(out, place, _changed(target, ours, added, dropped))
    try:
        open_media(out).close()
    except MediaError:  # a box that does not stand beside what ffmpeg wrote
        _write_moov(out, place, target)
        return []
    return [box.kind.decode("ascii", "replace") for box in missing]


def _write_moov(path: Path, place: int, moov: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(moov)
        file.truncate()


def _changed(moov: bytes, entry: list[_Box], added: bytes, dropped: list[_Box]) -> bytes:
    """The moov box with ``added`` at the end of its picture's sample entry, and without
    ``dropped`` in it; ``entry``: the boxes that lie around that place, the outermost first."""
    content = bytearray(moov)
    content[entry[-1].end : entry[-1].end] = added
    grown = len(added)
    for box in reversed(dropped):
        del content[box.start : box.end]
        grown -= box.end - box.start
    for box in entry:
        wide = box.content - box.start == 16
        size = box.end - box.start + grown
        struct.pack_into(">Q" if wide else ">I", content, box.start + 8 * wide, size)
    return bytes(content)


def _moov(file: BinaryIO) -> bytes | None:
    for box in _top(file):
        if box.kind == b"moov" and box.end - box.start <= _LARGEST:
            file.seek(box.start)
            return file.read(box.end - box.start)
    return None


def _last_moov(file: BinaryIO) -> int | None:
    """Where the moov box begins, if nothing comes after it."""
    boxes = list(_top(file))
    return boxes[-1].start if boxes and boxes[-1].kind == b"moov" else None


def _top(file: BinaryIO) -> list[_Box]:
    """Boxes of a file, if it is one of those."""
    end, place, boxes = file.seek(0, os.SEEK_END), 0, []
    while place + 8 <= end and len(boxes) < 100_000:
        file.seek(place)
        box = _read_box(file.read(16), place, end)
        if box is None or not (boxes or box.kind in (b"ftyp", b"moov", b"mdat", b"wide", b"free",
                                                     b"skip", b"pnot")):  # fmt: skip
            break
        boxes.append(box)
        place = box.end
    return boxes


def _read_box(head: bytes, place: int, end: int) -> _Box | None:
    if len(head) < 8:
        return None
    size, kind = struct.unpack(">I4s", head[:8])
    length = 8
    if size == 1 and len(head) >= 16:
        (size,), length = struct.unpack(">Q", head[8:16]), 16
    size = size or end - place
    return (
        _Box(kind, place, place + length, place + size) if length <= size <= end - place else None
    )


def _inside(data: bytes, start: int, end: int) -> list[_Box]:
    boxes: list[_Box] = []
    while start + 8 <= end:
        box = _read_box(data[start : start + 16], start, end)
        if box is None:
            break
        boxes.append(box)
        start = box.end
    return boxes


def _picture_entry(moov: bytes) -> list[_Box] | None:
    """The boxes from moov to the first sample entry of the first picture's track."""
    top = _Box(b"moov", 0, _header(moov), len(moov))
    for track in _inside(moov, top.content, top.end):
        if track.kind != b"trak":
            continue
        way = [top, track]
        for kind in _PATH:
            found = [b for b in _inside(moov, way[-1].content, way[-1].end) if b.kind == kind]
            if not found:
                break
            if kind == b"mdia" and not _is_picture(moov, found[0]):
                break
            way.append(found[0])
        else:
            entries = _inside(moov, way[-1].content + 8, way[-1].end)
            if len(entries) == 1 and entries[0].end - entries[0].content >= _ENTRY:
                return [*way, entries[0]]
    return None


def _is_picture(moov: bytes, media: _Box) -> bool:
    handlers = [b for b in _inside(moov, media.content, media.end) if b.kind == b"hdlr"]
    return bool(handlers) and moov[handlers[0].content + 8 : handlers[0].content + 12] == b"vide"


def _codec(moov: bytes, entry: list[_Box]) -> list[bytes]:
    """The configuration of a picture's decoder, which must be the same on both sides."""
    return [moov[b.content : b.end] for b in _children(moov, entry[-1])
            if b.kind in (b"avcC", b"hvcC", b"av1C", b"vpcC")]  # fmt: skip


def _children(moov: bytes, entry: _Box) -> list[_Box]:
    return _inside(moov, entry.content + _ENTRY, entry.end)


def _header(moov: bytes) -> int:
    return 16 if struct.unpack(">I", moov[:4])[0] == 1 else 8
