"""Films and photographs as the encoder that ships sees them: whole, close up, and through a moving
window, each looked at once and kept.

A glance is what the published networks' last maps, averaged, hold of rows (two a second), what
moved when, and where the cuts are: all that a student of `train.distill_seen` learns from, so that
a run takes minutes. Windows are those of `frames.windows`, drawn from the name of the file and a
number: a film has ``windows`` close-ups and as many moves, a photograph is panned over like a film
of four seconds.
"""

import csv
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foleycli.clip.find import find_clips
from foleycli.clip.probe import probe
from foleycli.config import CINEMATIC, FRAMES, CinematicConfig
from foleycli.errors import MediaError
from foleycli.frames.decode import Picture, decode_pictures
from foleycli.frames.windows import clip_random, clip_window, crop_for, draw_window
from foleycli.output import atomic_output
from foleycli.sight.lite import open_classifier
from foleycli.sight.track import Track
from foleycli.sight.when import MotionReader
from foleycli.spot.encode import SHIPPED, read_facts
from foleycli.spot.what import is_dark
from foleycli.train.listing import keep_settings

logger = logging.getLogger("foleycli")

KINDS = ("full", "cu", "cm")
STILL_SECONDS = 4.0  # that a photograph is panned over
STILL_LOOKS = 2  # at a move over a photograph
EVERY = 2  # row of a film that is looked at: two a second tell nearly what four do
LISTS = ("video.csv", "photos.csv")


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """One view of a film or a photograph.

    Attributes:
        seen: (rows, networks, 1280) float16, embeddings.
        shots: (rows,), the number of the shot a row belongs to.
        dark: (rows,)
        track: what moved; None of a photograph, and where nothing does.
    """

    seen: NDArray[np.float16]
    shots: NDArray[np.int32]
    dark: NDArray[np.bool_]
    track: Track | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Glanced:
    """A film or a photograph in all its views."""

    name: str
    source: str  # what it is a piece of; its own name where no list says so
    whole: Glance
    windows: dict[str, list[Glance]]  # cu and cm


def glance_all(
    folders: Sequence[Path],
    kept: Path,
    windows: int,
    config: CinematicConfig = CINEMATIC,
) -> list[Glanced]:
    """All films and photographs of some folders, in order of name; what ``kept`` lacks is looked
    at first: about 25 ms of a core a row and view.

    Raises:
        UsageError: ``kept`` holds glances of other windows.
        MediaError: there is nothing to look at.
    """
    found = [path for folder in folders for path in _media(folder)]
    if not found:
        raise MediaError("There is no film and no photograph.", "Name other folders.")
    versions = read_facts(SHIPPED)["versions"]
    keep_settings(kept, {"windows": windows, "versions": versions, **asdict(config)})
    sources = {name: source for folder in folders for name, source in _sources(folder).items()}
    missing = [path for path in found if not _file(kept, path).exists()]
    if missing:
        logger.warning("%d films and photographs are looked at first", len(missing))
    eyes = Eyes(versions)
    for path in missing:
        views = (photo_views if _is_photo(path) else film_views)(path, eyes, windows, config)
        _write(_file(kept, path), views)
    return [_read(_file(kept, path), path, sources.get(path.name, path.name)) for path in found]


class Eyes:
    """The published networks, whose embeddings are kept."""

    def __init__(self, versions: Sequence[int]) -> None:
        self._networks = [open_classifier(version) for version in versions]

    def look(self, frames: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Pictures (n, 224, 224, 3) -> (n, networks, 1280)."""
        return np.stack([net.see(frames)[1] for net in self._networks], 1).astype(np.float16)


Views = list[tuple[str, Glance]]


def film_views(path: Path, eyes: Eyes, windows: int, config: CinematicConfig) -> Views:
    """A film: whole, then close-ups, then moves."""
    clip = probe(path)
    views: Views = [("full", look_at(decode_pictures(clip), eyes))]
    for kind in KINDS[1:]:
        for n in range(windows):
            window = clip_window(kind, clip, path.stem, replace(config, seed=config.seed + n))
            seen = look_at(decode_pictures(clip, crop=crop_for(clip, window)), eyes)
            # a cut is where the whole picture says so
            views.append((kind, replace(seen, shots=views[0][1].shots[: len(seen.shots)])))
    return views


def look_at(pictures: Iterator[Picture], eyes: Eyes) -> Glance:
    """What is seen of a film in one view."""
    tracks: list[Track] = []

    def keep(track: Track, points: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
        tracks.append(track)
        return np.zeros(len(points), np.float32), np.zeros(len(points), np.float32)

    motion, end, row = MotionReader(keep), Fraction(0), 0
    seen, dark = [], []
    for picture in pictures:
        motion.push(picture.time, picture.luma)
        end = picture.end
        taken = len(range(-row % EVERY, picture.repeats, EVERY))  # of the rows it fills
        row += picture.repeats
        if picture.rgb is not None and taken:
            frame = picture.rgb[None]
            seen += [eyes.look(frame)] * taken
            dark += [is_dark(frame)] * taken
    motion.curves(end)
    rows = np.concatenate(seen)
    cuts = [round(cut * FRAMES.frame_rate / EVERY) for cut in motion.cuts()]
    shots = np.searchsorted(cuts, np.arange(len(rows)), "right").astype(np.int32)
    return Glance(rows, shots, np.concatenate(dark), tracks[0] if tracks else None)


def photo_views(path: Path, eyes: Eyes, windows: int, config: CinematicConfig) -> Views:
    """A photograph: whole, close up, and panned over."""
    with Image.open(path) as file:
        photo = file.convert("RGB")
    across, down = photo.size
    views: Views = [("full", _stills([_squash(photo, (0, 0, across, down))], eyes))]
    for kind in KINDS[1:]:
        for n in range(windows):
            random = clip_random(config.seed + n, path.stem)
            window = draw_window(kind, across, down, STILL_SECONDS, random, config)
            looks = 1 if kind == "cu" else STILL_LOOKS
            times = (np.arange(looks) + 0.5) * STILL_SECONDS / looks
            boxes = [window.at(time) for time in times]
            frames = [_squash(photo, (x, y, x + w, y + h)) for x, y, w, h in boxes]
            views.append((kind, _stills(frames, eyes)))
    return views


def _stills(frames: list[NDArray[np.uint8]], eyes: Eyes) -> Glance:
    pictures = np.stack(frames)
    shots = np.zeros(len(pictures), np.int32)
    return Glance(eyes.look(pictures), shots, is_dark(pictures))


def _squash(photo: Image.Image, box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    size = (FRAMES.size, FRAMES.size)
    return np.asarray(photo.resize(size, Image.Resampling.BILINEAR, box))


def _write(file: Path, views: Views) -> None:
    arrays: dict[str, NDArray] = {"kinds": np.array([kind for kind, _ in views])}
    for n, (_, glance) in enumerate(views):
        arrays |= {f"{n}.{part}": getattr(glance, part) for part in ("seen", "shots", "dark")}
        if glance.track is not None:
            for field in fields(Track):
                array = getattr(glance.track, field.name)
                arrays[f"{n}.{field.name}"] = array.astype(
                    np.float16 if field.name == "cells" else array.dtype
                )
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(file, overwrite=True) as beside:
        np.savez(beside, **arrays)  # pyright: ignore[reportArgumentType]


def _read(file: Path, path: Path, source: str) -> Glanced:
    views: dict[str, list[Glance]] = {kind: [] for kind in KINDS}
    with np.load(file) as arrays:
        for n, kind in enumerate(arrays["kinds"]):
            track = None
            if f"{n}.times" in arrays.files:
                track = Track(*(arrays[f"{n}.{field.name}"] for field in fields(Track)))
            seen, shots, dark = (arrays[f"{n}.{part}"] for part in ("seen", "shots", "dark"))
            views[str(kind)].append(Glance(seen, shots, dark, track))
    return Glanced(path.name, source, views.pop("full")[0], views)


def _file(kept: Path, path: Path) -> Path:
    return kept / f"{path.parent.name}-{path.name}.npz"


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in (".jpg", ".jpeg")


def _media(folder: Path) -> list[Path]:
    """Photographs of a folder and of those in it, or its films."""
    photos = [path for path in sorted(folder.rglob("*")) if _is_photo(path)]
    return photos or find_clips([folder])


def _sources(folder: Path) -> dict[str, str]:
    """File name -> what it is a piece of, where a list beside the files says so."""
    found = {}
    for path in (folder / name for name in LISTS):
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                rows = [row for row in csv.DictReader(file) if row.get("source")]
            found |= {Path(row["file"]).name: row["source"] for row in rows}
    return found
