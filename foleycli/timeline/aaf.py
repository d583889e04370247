"""AAF: pictures are read by OpenTimelineIO's adapter, sounds by us; written by pyaaf2.

The adapter rewrites an AAF from what it understood of it, which is less than an editor put in; so
where sounds go back into the AAF that was read, only tracks are added to a copy, linked to the
waves and counted in the cut's frames, and all else stays. Any other timeline becomes an AAF of its
own, with sounds on their samples.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from math import log10
from pathlib import Path
from typing import Any

from foleycli.errors import FoleyError, MediaError
from foleycli.install import get_extra
from foleycli.timeline.aaf_read import read_markers, read_sounds
from foleycli.timeline.aaf_write import Composition, write_composition
from foleycli.timeline.model import Level, Marker, Timeline, Track
from foleycli.timeline.otio import read_otio

EMBED = True  # one file is what a mixing stage asks for
OTHERWISE = "export the cut as EDL, FCPXML or .otio."


def load_aaf() -> Any:
    """pyaaf2, which comes with OpenTimelineIO's adapter as an extra."""
    try:
        import aaf2  # pyright: ignore[reportMissingImports]  # an extra
        import otio_aaf_adapter  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        remedy = f"{get_extra('aaf')}, or {OTHERWISE}"
        raise MediaError("AAF needs pyaaf2 and otio-aaf-adapter.", remedy) from error
    return aaf2


def read_aaf(path: Path) -> Timeline:
    """Read the one cut of an AAF.

    Raises:
        MediaError: the extra is not installed, or the file cannot be followed.
    """
    load_aaf()
    timeline = read_otio(path)
    with _opened(path, "r") as file:
        codes = [code for code in _timecodes(_cut(file)) if code.fps == round(timeline.rate)]
        if codes:
            timeline = replace(timeline, start=codes[0].start, drop=bool(codes[0].drop))
        sounds, markers = read_sounds(_cut(file)), read_markers(_cut(file))
    if sounds is not None:
        timeline = replace(timeline, tracks=(*timeline.pictures, *sounds))
    return replace(timeline, markers=markers or timeline.markers)


def track_names(path: Path) -> list[str]:
    """The names of its tracks of sound, whatever lies on them.

    Raises:
        MediaError: as `read_aaf`.
    """
    with _opened(path, "r") as file:
        return [slot.name or "" for slot in _cut(file).slots if slot.media_kind == "Sound"]


def write_aaf(timeline: Timeline, path: Path, *, embed: bool = EMBED) -> None:
    """Write a timeline as an AAF of its own.

    Args:
        timeline: its pictures on one flat track or several, on frames.
        embed: put the samples of its waves into the file, else name where they lie.
    """
    with _opened(path, "w") as file:
        write_composition(file, timeline, embed=embed)


def add_sounds(
    original: Path,
    timeline: Timeline,
    sounds: tuple[Track, ...],
    path: Path,
    markers: Sequence[Marker] = (),
) -> None:
    """Copy an AAF and add tracks of sound, each event linked to its wave, and locators."""
    shutil.copyfile(original, path)
    with _opened(path, "rw") as file:
        cut = _cut(file)
        there = sum(slot.media_kind == "Sound" for slot in cut.slots)
        composition = Composition(file, cut, timeline)
        for number, track in enumerate(sounds, there + 1):
            composition.sounds(track, number, on_frames=True, embed=False)
        seen = next((slot for slot in cut.slots if slot.media_kind == "Picture"), cut.slots[0])
        composition.markers(markers, seen.slot_id)


def write_cut(
    timeline: Timeline,
    path: Path,
    levels: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> None:
    """Write films and waves, linked, as a new AAF, with a curve of volume for each track.

    Args:
        levels: by the name of a sound track, points (seconds from an event's start, factor).
    """

    def turned(track: Track) -> Track:
        points = (levels or {}).get(track.name, ())
        curve = tuple(
            Level(Fraction(at).limit_denominator(1_000_000), 20 * log10(max(factor, 1e-7)))
            for at, factor in points
        )
        return replace(track, events=tuple(replace(e, levels=curve) for e in track.events))

    sounds = tuple(turned(track) for track in timeline.sounds)
    write_aaf(replace(timeline, tracks=(*timeline.pictures, *sounds)), path, embed=False)


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[Any]:
    aaf2 = load_aaf()
    try:
        with aaf2.open(str(path), mode) as file:
            yield file
    except FoleyError:
        raise
    except Exception as error:  # whatever a broken file makes it raise
        reason = str(error).strip() or type(error).__name__
        wrong = "is no AAF we can read" if mode == "r" else "cannot be written"
        raise MediaError(f"{path.name} {wrong}: {reason}.", f"E{OTHERWISE[1:]}") from error


def _cut(file: Any) -> Any:
    cuts = list(file.content.toplevel())
    if len(cuts) != 1:
        raise MediaError(f"The AAF holds {len(cuts)} cuts.", "Export one sequence alone.")
    return cuts[0]


def _timecodes(cut: Any) -> Iterator[Any]:
    for slot in cut.slots:
        parts = getattr(slot.segment, "components", [slot.segment])
        yield from (part for part in parts if type(part).__name__ == "Timecode")
