"""What is seen in a folder of shots, kept: a file a film, so that an index that stopped goes on."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foleycli.clip.find import find_clips
from foleycli.clip.probe import Clip, probe
from foleycli.config import FEATURES, FRAMES
from foleycli.errors import FoleyError, MediaError
from foleycli.folders import cache_folder
from foleycli.frames.decode import Picture, decode_pictures
from foleycli.output import atomic_output, make_folder

LOG = logging.getLogger("foleycli")
VERSION = 1  # of what an entry holds
MOTION_RATE = 25  # points a second of the motion curve
CELL = 10  # pixels of the small gray picture, each side, that move as one
PLACES = 2  # rows of classes a second that are kept


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen in one film.

    Attributes:
        path: where it was when it was looked at.
        duration: seconds that decode.
        frame_rate: nominal; None when it says nothing.
        start: seconds from midnight of its first picture, by its own timecode.
        drop: whether that counts in drop-frame.
        cuts: seconds, each the first instant of a new shot.
        what: (rows, 384) words that are seen, times their confidence, four a second.
        classes: (rows, 1000) probabilities of ImageNet's classes, two a second.
        motion: (points,) how suddenly something begins to move, 25 a second.
        hits: (points,) strength of the hit that begins there, 25 a second.
    """

    path: Path
    duration: Fraction
    frame_rate: Fraction | None
    start: Fraction
    drop: bool
    cuts: tuple[Fraction, ...]
    what: NDArray[np.float32]
    classes: NDArray[np.float32]
    motion: NDArray[np.float32]
    hits: NDArray[np.float32]

    def shots(self) -> list[tuple[float, float]]:
        """(start, end) in seconds between cuts."""
        edges = [0.0, *(float(cut) for cut in self.cuts), float(self.duration)]
        return [(a, b) for a, b in pairwise(edges) if b - a > 0.04]


def open_index(
    rushes: Path,
    folder: Path | None = None,
    progress: Callable[[float], None] = lambda _: None,
    among: Sequence[Path] | None = None,
) -> list[Seen]:
    """What is seen in every film of a folder; what is not in the index yet is looked at first.

    Each film is kept as soon as it was looked at. One that cannot be used is named and left out.

    Args:
        rushes: folder of films, by name.
        folder: of the index; in the cache when None.
        among: only these films.

    Raises:
        MediaError: not one film can be used.
    """
    films = list(among) if among is not None else find_clips([rushes])
    folder = folder or cache_folder("rushes")
    make_folder(folder)
    missing = [film for film in films if not _entry(folder, film).exists()]
    for number, film in enumerate(missing):
        try:
            _keep(_entry(folder, film), look_at(film))
        except MediaError as error:
            LOG.warning("%s is left out: %s", film.name, error.problem)
        progress((number + 1) / len(missing))
    seen = [
        entry
        for film in films
        if (entry := _read(_entry(folder, film), film)) is not None and entry.duration > 0
    ]
    if not seen:
        raise MediaError(f"Nothing in {rushes} can be used.", "Give a folder of films.")
    return seen


def look_at(path: Path) -> Seen:
    """Look at all of one film.

    Raises:
        MediaError: it is no film that can be used.
    """
    from foleycli.spot.encode import encode_video

    clip = probe(path)
    motion = _Motion()
    features = encode_video(motion.watch(decode_pictures(clip)), _encoder())
    classes = features.classes
    step = FEATURES.frame_rate // PLACES
    kept = np.zeros((0, 1000), np.float32) if classes is None else _means(classes, step)
    return Seen(
        path=path,
        duration=features.duration,
        frame_rate=clip.frame_rate,
        start=_since_midnight(clip),
        drop=clip.timecode is not None and clip.timecode.drop,
        cuts=tuple(features.cuts),
        what=features.what.astype(np.float32),
        classes=kept,
        motion=motion.curve(),
        hits=_at_rate(features.hits),
    )


def _encoder():
    global _opened
    if _opened is None:
        from foleycli.spot.encode import Encoder

        _opened = Encoder.open()
    return _opened


_opened = None


def _since_midnight(clip: Clip) -> Fraction:
    return clip.timecode.seconds if clip.timecode else Fraction(0)


def _means(rows: NDArray[np.generic], step: int) -> NDArray[np.float32]:
    """Means of so many rows each, the last of what is left."""
    starts = np.arange(0, len(rows), step)
    sums = np.add.reduceat(rows.astype(np.float32), starts, axis=0)
    return (sums / np.diff(starts, append=len(rows))[:, None]).astype(np.float32)


def _at_rate(hits: NDArray[np.generic]) -> NDArray[np.float32]:
    """Hits at 64 points a second as 25 a second: the strongest in each."""
    count = max(1, len(hits) * MOTION_RATE // FEATURES.when_rate)
    places = np.minimum(np.arange(len(hits)) * MOTION_RATE // FEATURES.when_rate, count - 1)
    out = np.zeros(count, np.float32)
    np.maximum.at(out, places, hits.astype(np.float32))
    return out


class _Motion:
    """How suddenly something begins to move: the largest rise of change in any cell (seed C6)."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._cells: list[NDArray[np.float32]] = []
        self._last: NDArray[np.int16] | None = None

    def watch(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        """The same pictures, looked at as they go by."""
        rows, columns = FRAMES.luma_height // CELL, FRAMES.luma_width // CELL
        for picture in pictures:
            gray = picture.luma.astype(np.int16)
            change = np.abs(gray - (gray if self._last is None else self._last))
            cells = change.reshape(rows, CELL, columns, CELL).mean(axis=(1, 3), dtype=np.float32)
            self._times.append(float(picture.time))
            self._cells.append(cells.ravel())
            self._last = gray
            yield picture

    def curve(self) -> NDArray[np.float32]:
        """(points,) 25 a second."""
        if len(self._times) < 2:
            return np.zeros(1, np.float32)
        self._cells[0] = self._cells[1]  # the first picture changes from nothing
        cells = np.stack(self._cells)
        grid = np.arange(int(self._times[-1] * MOTION_RATE) + 1) / MOTION_RATE
        right = np.clip(np.searchsorted(self._times, grid), 1, len(self._times) - 1)
        times = np.array(self._times)
        span = np.maximum(times[right] - times[right - 1], 1e-9)
        part = np.clip((grid - times[right - 1]) / span, 0, 1)[:, None].astype(np.float32)
        at = cells[right - 1] * (1 - part) + cells[right] * part
        return np.maximum(0, np.diff(at, axis=0, prepend=at[:1])).max(axis=1)


def _entry(folder: Path, film: Path) -> Path:
    """Where a film's entry is: another one when the film changes."""
    try:
        state = film.stat()
        facts = [VERSION, str(film.resolve()), state.st_size, state.st_mtime_ns]
    except OSError:
        facts = [VERSION, str(film)]
    digest = hashlib.blake2b(json.dumps(facts).encode(errors="surrogateescape"), digest_size=10)
    return folder / f"{digest.hexdigest()}.npz"


def _keep(path: Path, seen: Seen) -> None:
    facts = {
        "duration": str(seen.duration),
        "frame_rate": None if seen.frame_rate is None else str(seen.frame_rate),
        "start": str(seen.start),
        "drop": seen.drop,
        "cuts": [str(cut) for cut in seen.cuts],
    }
    with atomic_output(path, overwrite=True) as beside, beside.open("wb") as file:
        np.savez(
            file,
            facts=np.frombuffer(json.dumps(facts).encode(), np.uint8),
            what=seen.what.astype(np.float16),
            classes=seen.classes.astype(np.float16),
            motion=seen.motion.astype(np.float32),
            hits=seen.hits.astype(np.float16),
        )


def _read(path: Path, film: Path) -> Seen | None:
    """An entry; None where there is none that can be read."""
    try:
        with np.load(path) as arrays:
            facts = json.loads(arrays["facts"].tobytes())
            rate = facts["frame_rate"]
            return Seen(
                path=film,
                duration=Fraction(facts["duration"]),
                frame_rate=None if rate is None else Fraction(rate),
                start=Fraction(facts["start"]),
                drop=bool(facts["drop"]),
                cuts=tuple(Fraction(cut) for cut in facts["cuts"]),
                what=arrays["what"].astype(np.float32),
                classes=arrays["classes"].astype(np.float32),
                motion=arrays["motion"].astype(np.float32),
                hits=arrays["hits"].astype(np.float32),
            )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, FoleyError) as error:
        LOG.warning("%s of the index is damaged (%s) and is left out", path.name, error)
        return None
