"""Cues as markers that an editing program shows, and back.

A marker sits on a frame, a cue between them: the note keeps the cue's exact time, which holds for
as long as nobody moves the marker off its frame. So what an editor leaves alone sounds as it did.
"""

import csv
import io
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from foleycli.clip.probe import Clip
from foleycli.clip.timecode import Timecode
from foleycli.errors import FoleyError, MediaError
from foleycli.output import atomic_output
from foleycli.spot.cues import LAYERS, Cue, Kind
from foleycli.timeline.files import read_timeline, text_of, write_timeline
from foleycli.timeline.model import Event, Marker, Media, Timeline, Track, exact_rate
from foleycli.timeline.shots import Shot

LOG = logging.getLogger("foleycli")
_NOTE = re.compile(
    r"(?:shot (\d+) )?(hit|bed) (-?[\d.]+) dB, ([\d.]+) sure, at ([\d/.]+) for ([\d/.]+) s"
)
_DETAILS = {  # of a cue, what follows in the note where it is said
    "layer": re.compile(r"; layer (\w+)"),
    "surface": re.compile(r"; on ([^;]+)"),
    "pan": re.compile(r"; pan (-?[\d.]+)"),
    "distance": re.compile(r"; ([\d.]+) m away"),
    "recording": re.compile(r"; recording ([^;]+)"),
    "evidence": re.compile(r"; seen: (.+)", re.DOTALL),
}
_RESOLVE = re.compile(r"^\s*(.*?)\s*\|C:(\w*)\s*\|M:(.*?)\s*\|D:(\d+)")
_RECORD = re.compile(r"^\d+\s.*\s(\d\d[:;]\d\d[:;]\d\d[:;]\d\d)\s+\S+\s*$")
# Columns of Resolve's edit index, of which Notes and Color are a marker's.
_COLUMNS = ("#", "Reel", "V", "C", "Dur", "Record In", "Record Out", "Name", "Comments", "Color",
            "Notes")  # fmt: skip
COLOURS = {"hit": "Blue", "bed": "Green"}


def cue_markers(
    cues: Iterable[Cue], rate: Fraction, origin: Fraction = Fraction(0), shot: int = 0
) -> list[Marker]:
    """A marker for each cue.

    Args:
        rate: frames a second.
        origin: seconds from the timeline's first frame at which the cues' time 0 lies.
        shot: number of the shot they belong to; 0 for none.
    """
    return [
        Marker(
            start=_frame(origin + cue.start, rate),
            duration=_length(cue.duration, rate) if cue.kind == "bed" else 1 / rate,
            name=cue.what,
            note=(f"shot {shot} " if shot else "")
            + f"{cue.kind} {cue.level_db:.1f} dB, {cue.confidence:.2f} sure, "
            + f"at {cue.start} for {cue.duration} s"
            + _details(cue),
        )
        for cue in cues
    ]


def _details(cue: Cue) -> str:
    """What `_DETAILS` reads again; a ; in words would end them there, so a comma stands for it."""
    said = {
        "layer": cue.layer,
        "on": cue.surface,
        "pan": f"{cue.pan:.2f}" if cue.pan else "",
        "away": f"{cue.distance:.1f} m" if cue.distance else "",
        "recording": cue.recording,
        "seen:": cue.evidence,
    }
    plain = {name: value.replace(";", ",") for name, value in said.items() if value}
    return "".join(
        f"; {value} away" if name == "away" else f"; {name} {value}"
        for name, value in plain.items()
    )


def marker_cues(
    markers: Iterable[Marker], rate: Fraction, origin: Fraction = Fraction(0)
) -> list[Cue]:
    """Markers as cues.

    A marker somebody set by hand is a hit of its name, one second long.

    Args:
        rate: frames a second.
        origin: seconds from the timeline's first frame at which the cues' time 0 lies; what is
            before it is left out.
    """
    cues = []
    for marker in markers:
        match, what = _NOTE.search(marker.note), _words(marker)
        start = marker.start - origin
        if not what:
            continue
        if match is None:
            cue = Cue(start=start, duration=Fraction(1), kind="hit", what=what)
        else:
            cue = _noted(match, marker, rate, origin)
        if cue.start >= 0:
            cues.append(cue)
    return sorted(cues, key=lambda cue: cue.start)


def _words(marker: Marker) -> str:
    """Resolve calls a marker "Marker 1" until somebody names it; what is meant stands below."""
    name = marker.name.strip()
    if marker.note.strip() and re.fullmatch(r"(Marker \d+)?", name):
        return "" if _NOTE.search(marker.note) else marker.note.strip()
    return name


def deal_markers(
    markers: Iterable[Marker], shots: Sequence[Shot], rate: Fraction
) -> dict[int, list[Marker]]:
    """Each shot's markers by its number: those that name it and still lie in it or its handles;
    the others, set by hand or moved out of their shot, are those of the shot that is on screen.

    Args:
        rate: frames a second.
    """
    dealt: dict[int, list[Marker]] = {shot.number: [] for shot in shots}
    for marker in markers:
        match, at = _NOTE.search(marker.note), marker.start
        heard = [s for s in shots if s.begins - 1 / rate < at < s.end + s.tail]
        named = [s for s in heard if match and s.number == int(match[1] or 0)]
        seen = [s for s in heard if s.start <= at < s.end][-1:]
        if owners := named or seen or heard:
            dealt[owners[0].number].append(marker)
        else:
            LOG.warning("the marker %s lies where nothing is shown", _words(marker))
    return dealt


def _noted(match: re.Match[str], marker: Marker, rate: Fraction, origin: Fraction) -> Cue:
    kind: Kind = "bed" if match[2] == "bed" else "hit"
    start, duration = Fraction(match[5]), Fraction(match[6])
    if _frame(origin + start, rate) != marker.start:
        start = max(Fraction(0), marker.start - origin)  # it was moved
    # Editors that keep no lengths give each marker one frame; any other was set.
    if kind == "bed" and marker.duration > 1 / rate and marker.duration != _length(duration, rate):
        duration = marker.duration
    return Cue(
        start=start,
        duration=duration,
        kind=kind,
        what=_words(marker),
        level_db=float(match[3]),
        confidence=float(match[4]),
        **_detailed(marker.note[match.end() :]),
    )


def _detailed(note: str) -> dict[str, Any]:
    found = {name: pattern.search(note) for name, pattern in _DETAILS.items()}
    details: dict[str, Any] = {name: match[1] for name, match in found.items() if match}
    for number in details.keys() & {"pan", "distance"}:
        details[number] = float(details[number])
    if details.get("layer") not in LAYERS:
        details.pop("layer", None)
    return details


def _length(duration: Fraction, rate: Fraction) -> Fraction:
    return max(1, round(duration * rate)) / rate


def _frame(seconds: Fraction, rate: Fraction) -> Fraction:
    """The start of the frame an instant is in, from the first frame on."""
    return max(Fraction(0), seconds * rate // 1 / rate)


def clip_timeline(clip: Clip, cuts: Sequence[Fraction] = ()) -> Timeline:
    """A clip as a timeline on its own timecode, with an event from cut to cut.

    Raises:
        UsageError: its frame rate is none that timelines have.
        MediaError: it says neither its rate nor its length.
    """
    if clip.frame_rate is None or clip.duration is None:
        raise MediaError(
            f"{clip.path.name} states no frame rate or length, so it makes no timeline.",
            "Convert it to a constant frame rate first.",
        )
    rate = exact_rate(clip.frame_rate)
    start = clip.timecode.frames if clip.timecode else 0
    length = round(clip.duration * rate)
    edges = sorted({0, *(round(cut * rate) for cut in cuts), length})
    film = Media(
        name=clip.path.name,
        path=str(clip.path.absolute()),
        start=start / rate,
        duration=length / rate,
        rate=rate,
    )
    events = tuple(
        Event(
            name=clip.path.name,
            media=film,
            start=first / rate,
            duration=(last - first) / rate,
            source=(start + first) / rate,
        )
        for first, last in pairwise(edges)
    )
    return Timeline(
        name=clip.path.stem,
        rate=rate,
        drop=bool(clip.timecode and clip.timecode.drop),
        start=start,
        tracks=(Track(kind="picture", events=events, name="V1"),),
    )


def write_markers(
    timeline: Timeline, markers: Iterable[Marker], path: Path, *, overwrite: bool = False
) -> None:
    """Write markers: ``.edl`` as Resolve imports them, ``.csv`` as its edit index lists them, or a
    timeline (``.fcpxml``, ``.xml``, ``.otio``) that has them.

    Raises:
        FoleyError: as `atomic_output`; UsageError for another suffix.
    """
    marked = replace(timeline, markers=tuple(sorted(markers, key=lambda m: m.start)))
    writer = {".edl": _marker_edl, ".csv": _resolve_csv}.get(path.suffix.lower())
    if writer is None:
        write_timeline(marked, path, overwrite=overwrite)
        return
    with atomic_output(path, overwrite=overwrite) as beside:
        beside.write_text(writer(marked), encoding="utf-8", newline="")


def _marker_edl(timeline: Timeline) -> str:
    mode = "DROP FRAME" if timeline.drop else "NON-DROP FRAME"
    lines = [f"TITLE: {timeline.name}", f"FCM: {mode}", ""]
    for number, marker in enumerate(timeline.markers, 1):
        first = timeline.timecode(marker.start)
        span = f"{first} {first + 1}"
        frames = round(marker.duration * timeline.rate)
        lines.append(f"{number:03}  001      V     C        {span} {span}  ")
        lines.append(
            f"{marker.note} |C:ResolveColor{_colour(marker)} |M:{marker.name} |D:{frames}\n"
        )
    return "\n".join(lines)


def _resolve_csv(timeline: Timeline) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(_COLUMNS)
    for number, marker in enumerate(timeline.markers, 1):
        first = timeline.timecode(marker.start)
        frames = round(marker.duration * timeline.rate)
        length = Timecode(frames, timeline.rate, timeline.drop)
        table.writerow([number, "", "V1", "M", length, first, first + frames, marker.name, "",
                        _colour(marker), marker.note])  # fmt: skip
    return text.getvalue()


def _colour(marker: Marker) -> str:
    match = _NOTE.search(marker.note)
    return COLOURS[match[2] if match else "hit"]


def read_markers(path: Path, timeline: Timeline) -> tuple[Marker, ...]:
    """Markers of a file `write_markers` wrote, or an editing program, on a timeline's clock.

    Raises:
        MediaError: it cannot be read, or holds none.
    """
    suffix, found = path.suffix.lower(), ()
    try:
        if suffix == ".edl":
            found = _edl_markers(text_of(path), timeline)
        elif suffix == ".csv":
            found = _csv_markers(text_of(path), timeline)
        elif suffix in (".fcpxml", ".xml", ".otio", ".otioz"):
            found = read_timeline(path, timeline.rate).markers
    except (KeyError, ValueError) as error:
        raise MediaError(f"{path.name} cannot be read: {error}.", "Export it again.") from error
    except FoleyError as error:
        raise MediaError(f"{path.name}: {error.problem}", error.remedy) from error
    if not found:
        raise MediaError(
            f"{path.name} holds no markers we read.", "Export them as .edl, .csv or .fcpxml."
        )
    return found


def _edl_markers(text: str, timeline: Timeline) -> tuple[Marker, ...]:
    found, at = [], None
    for line in text.splitlines():
        if match := _RECORD.match(line):
            at = line.split()[-2]
        elif at and (match := _RESOLVE.match(line)):
            length = int(match[4]) / timeline.rate
            found.append(_marker(timeline, at, length, match[3], match[1]))
        elif match := re.match(r"\*\s*LOC:\s*(\S+)\s+\w+\s+(.*)", line):
            found.append(_marker(timeline, match[1], 1 / timeline.rate, match[2].strip(), ""))
    return tuple(found)


def _csv_markers(text: str, timeline: Timeline) -> tuple[Marker, ...]:
    rows = csv.DictReader(io.StringIO(text))
    if "Record In" not in (rows.fieldnames or ()):
        raise ValueError("it has no column Record In")
    return tuple(
        _marker(timeline, row["Record In"], _dur(row.get("Dur"), timeline), row.get("Name") or "",
                row.get("Notes") or "")
        for row in rows
    )  # fmt: skip


def _dur(text: str | None, timeline: Timeline) -> Fraction:
    if not text:
        return 1 / timeline.rate
    return Timecode.parse(text, timeline.rate, timeline.drop).seconds


def _marker(timeline: Timeline, at: str, length: Fraction, name: str, note: str) -> Marker:
    label = Timecode.parse(at, timeline.rate, timeline.drop)
    start = (label.frames - timeline.start) / timeline.rate
    return Marker(start=start, duration=length, name=name.strip(), note=note)
