"""Shots as sessions for the mix: AAF, REAPER, OTIO and FCPXML, opened again and mixed.

python -m benchmarks.sessions CLIPS OUT [RATE [SHOTS]]   # films, and a folder; 23.976, and 20

The shots are sounded once, in layers, with handles; each session is then opened by a reader that is
not ours where there is one (pyaaf2, the package `rpp`), what it says lies where is mixed sample by
sample with its fades, and compared with the stem. Prints tracks, clips, fades, markers, size, and
how many samples differ.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import aaf2
import numpy as np
import rpp
import soundfile

from benchmarks.reel import SHOTS, build
from foleycli.timeline.files import read_timeline, write_timeline
from foleycli.timeline.model import Media

RATE = 48_000
STEP = 256  # one of 24 bits, in 32


class Clip(NamedTuple):
    """A sound in a session, in samples from its beginning."""

    track: str
    start: int
    samples: np.ndarray  # (length, channels) int64
    rise: int
    fall: int


def of_aaf(path: Path) -> Iterator[Clip]:
    """By pyaaf2 alone, from the samples in the file; a clip for each channel."""
    with aaf2.open(str(path)) as file:
        (cut,) = file.content.toplevel()
        for slot in cut.slots:
            at, parts = 0, list(getattr(slot.segment, "components", []))
            for index, part in enumerate(parts if slot.media_kind == "Sound" else []):
                kind = type(part).__name__
                if kind == "OperationGroup":
                    rise, fall = (
                        parts[near].length
                        if 0 <= near < len(parts) and type(parts[near]).__name__ == "Transition"
                        else 0
                        for near in (index - 1, index + 1)
                    )
                    columns = [_essence(clip) for clip in part.segments]
                    yield Clip(slot.name, at, np.stack(columns, axis=1), rise, fall)
                at += -part.length if kind == "Transition" else part.length


def _essence(clip) -> np.ndarray:
    source = clip.mob.slot_at(clip.slot_id).segment.mob
    stream = source.essence.open("r")
    stream.seek(clip.start * 3)
    data = np.frombuffer(stream.read(clip.length * 3), np.uint8).reshape(-1, 3)
    padded = np.zeros((len(data), 4), np.uint8)
    padded[:, 1:] = data
    return padded.view("<i4")[:, 0].astype(np.int64)


def of_project(path: Path) -> Iterator[Clip]:
    """By the package `rpp`."""
    for track in rpp.loads(path.read_text()):
        items = track if getattr(track, "tag", "") == "TRACK" else ()
        name = next((line[1] for line in items if line[0] == "NAME"), "")
        for item in items:
            if getattr(item, "tag", "") != "ITEM" or not name.startswith("SFX"):
                continue
            one = {line[0]: line[1:] for line in item if isinstance(line, list)}
            source = next(x for x in item if getattr(x, "tag", "") == "SOURCE")
            file = path.parent / next(line[1] for line in source if line[0] == "FILE")
            start, length, lead = (_count(one[key][0]) for key in ("POSITION", "LENGTH", "SOFFS"))
            wave, _ = soundfile.read(file, length, lead, dtype="int32", always_2d=True)
            rise, fall = (_count(one[key][1]) for key in ("FADEIN", "FADEOUT"))
            yield Clip(name, start, wave.astype(np.int64), rise, fall)


def _count(text: str) -> int:
    return round(Fraction(Decimal(text)) * RATE)


def of_timeline(path: Path) -> Iterator[Clip]:
    """By our own readers."""
    timeline = read_timeline(path)
    begin = timeline.start_seconds
    origin = round(begin * RATE)
    for track in timeline.sounds:
        for event in track.events:
            media = event.media
            assert isinstance(media, Media) and media.start is not None
            times = (event.start, event.end, event.start + event.fade_in,
                     event.end - event.fade_out)  # fmt: skip
            first, last, risen, falls = (round((begin + at) * RATE) for at in times)
            lead = round(event.source * RATE) - round(media.start * RATE)
            wave, _ = soundfile.read(media.path, last - first, lead, dtype="int32",
                                     always_2d=True)  # fmt: skip
            yield Clip(track.name, first - origin, wave.astype(np.int64), risen - first,
                       last - falls)  # fmt: skip


def mix(clips: list[Clip], length: int, channels: int) -> np.ndarray:
    """(length, channels) int64."""
    mixed = np.zeros((length, channels), np.int64)
    for clip in clips:
        part = clip.samples
        if clip.rise or clip.fall:
            gain = np.ones(len(part))
            gain[: clip.rise] *= (np.arange(clip.rise) + 0.5) / max(clip.rise, 1)
            falling = (np.arange(clip.fall) + 0.5) / max(clip.fall, 1)
            gain[len(part) - clip.fall :] *= falling[::-1]
            part = (np.rint(part * gain[:, None] / STEP) * STEP).astype(np.int64)
        mixed[clip.start : clip.start + len(part)] += part
    return mixed


def main(clips: Path, out: Path, name: str = "23.976", shots: str = str(SHOTS)) -> None:
    out.mkdir(parents=True, exist_ok=True)
    there = build(sorted(clips.glob("*.mp4"))[: int(shots)], name)
    cut = out / "cut.fcpxml"
    write_timeline(there, cut, overwrite=True)
    readers = {".aaf": of_aaf, ".rpp": of_project, ".otio": of_timeline, ".fcpxml": of_timeline}
    for suffix, reader in readers.items():
        session = out / f"session{suffix}"
        began = time.perf_counter()
        command = ["foley", "timeline", str(cut), "-o", str(session), "--stems", "-q",
                   "--overwrite", "--sounds", str(out / "sounds"), "--cut-fade", "1",
                   "--handles", str(round(6 * there.rate))]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        took = time.perf_counter() - began
        stem, _ = soundfile.read(next((out / "sounds").glob("*_FXStem.wav")), dtype="int32",
                                 always_2d=True)  # fmt: skip
        found = list(reader(session))
        wrong = int((mix(found, *stem.shape) != stem).any(axis=1).sum())
        fades = sum(bool(clip.rise) + bool(clip.fall) for clip in found)
        print(
            f"{session.name}: {len({clip.track for clip in found})} tracks, {len(found)} clips, "
            f"{fades} fades, {session.stat().st_size / 1e6:.1f} MB, written in {took:.1f} s; "
            f"{wrong} of {len(stem)} samples are not the stem's",
            flush=True,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
