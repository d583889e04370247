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
from foleycli.spot.cues import LAYERS, SHORTEST, Cue, Kind, what_is_wrong
from foleycli.timeline.files import read_timeline, text_of, write_timeline
from foleycli.timeline.model import Event, Marker, Media, Timeline, Track, exact_rate
from foleycli.timeline.shots import Shot

LOG = logging.getLogger("foleycli")
LONGEST_LINE = 50_000  # characters; notes say what was seen
_PLAIN = r"[0-9]{1,6}(?:\.[0-9]{1,6})?"
_TIME = r"[0-9]{1,30}(?:\.[0-9]{1,30}|/0{0,9}[1-9][0-9]{0,29})?"
_NOTE = re.compile(
    rf"(?:shot ([0-9]{{1,6}}) )?(hit|bed) (-?{_PLAIN}) dB, ({_PLAIN}) sure, "
    rf"at ({_TIME}) for ({_TIME}) s"
)
_DETAILS = {  # of a cue, what follows in the note where it is said
    "layer": re.compile(r"; layer (\w+)"),
    "surface": re.compile(r"; on ([^;]+)"),
    "pan": re.compile(rf"; pan (-?{_PLAIN})"),
    "distance": re.compile(rf"; ({_PLAIN}) m away"),
    "recording": re.compile(r"; recording ([^;]+)"),
    "evidence": re.compile(r"; seen: (.+)", re.DOTALL),
}
_RESOLVE = re.compile(r"^([^|]*(?:\|(?!C:)[^|]*)*)\|C:(\w*)\s*\|M:(.*?)\|D:\s*([0-9]+)")
_LABEL = re.compile(r"[0-9]{1,2}[:;.][0-9]{1,2}[:;.][0-9]{1,2}[:;.,][0-9]{1,3}")
_NUMBERED = re.compile(r"[0-9]{1,6}\s+\S")
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
    plain = {
        name: " ".join(value.replace(";", ",").split()) for name, value in said.items() if value
    }
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
        if wrong := what_is_wrong(cue) if cue.start >= 0 else "":
            raise MediaError(
                f"The marker {what[:60]} cannot be a cue: {wrong}.", "Correct it or delete it."
            )
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
    duration = max(duration, SHORTEST)
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
    """A clip as a timeline on its own timecode, with an event from cut to cut, and its own sound.

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
    heard = clip.main_sound
    film = Media(
        name=clip.path.name,
        path=str(clip.path.absolute()),
        start=start / rate,
        duration=length / rate,
        rate=rate,
        channels=heard.channels if heard else 0,
        sample_rate=heard.sample_rate if heard else 0,
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
        tracks=(
            Track(kind="picture", events=events, name="V1"),
            *([Track(kind="sound", events=events, name="A1")] if heard else []),
        ),
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
        note, name = (
            " ".join(text.replace("|", "/").split()) for text in (marker.note, marker.name)
        )
        lines.append(f"{note} |C:ResolveColor{_colour(marker)} |M:{name} |D:{frames}\n")
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


def read_markers(
    path: Path, timeline: Timeline, begins: Timecode | None = None
) -> tuple[Marker, ...]:
    """Markers of a file `write_markers` wrote, or an editing program, on a timeline's clock.

    Args:
        begins: the label, on the clock the markers were set on, at which the timeline begins; its
            own first label when None.

    Raises:
        MediaError: it cannot be read, or holds none.
    """
    suffix, found = path.suffix.lower(), ()
    zero = timeline.start if begins is None else begins.frames
    try:
        if suffix == ".edl":
            found = _edl_markers(text_of(path), timeline, zero)
        elif suffix == ".csv":
            found = _csv_markers(text_of(path), timeline, zero)
        elif suffix in (".fcpxml", ".fcpxmld", ".xml", ".otio", ".otioz"):
            marked = read_timeline(path, timeline.rate)
            later = Fraction(0) if begins is None else marked.start_seconds - begins.seconds
            found = tuple(replace(m, start=m.start + later) for m in marked.markers)
    except (KeyError, ValueError, csv.Error) as error:
        raise MediaError(f"{path.name} cannot be read: {error}.", "Export it again.") from error
    except FoleyError as error:
        if error.problem.startswith(f"{path.name}:"):
            raise
        raise MediaError(f"{path.name}: {error.problem}", error.remedy) from error
    if not found:
        raise MediaError(
            f"{path.name} holds no markers we read.", "Export them as .edl, .csv or .fcpxml."
        )
    return found


def _edl_markers(text: str, timeline: Timeline, zero: int) -> tuple[Marker, ...]:
    """Resolve's, which stand on the line after their event's; and Avid's locators.

    Raises:
        MediaError: naming a line whose time cannot be read: its marker would take another's.
    """
    found, at = [], None
    for place, line in enumerate(text.splitlines(), 1):
        if len(line) > LONGEST_LINE:
            raise MediaError(f"Line {place} is too long.", "Export it again.")
        if match := _RESOLVE.match(line):
            if at is None:
                raise MediaError(
                    f"Line {place}: no line before it says when the marker is.", "Export it again."
                )
            if len(match[4]) > 9:
                raise MediaError(f"Line {place}: no marker is that long.", "Correct its |D: value.")
            length = int(match[4]) / timeline.rate
            start = _instant(at, timeline, zero, place)
            found.append(_marker(start, length, match[3], match[1]))
            at = None
        elif _NUMBERED.match(line) and len(labels := _LABEL.findall(line)) >= 4:
            at = labels[2]  # record in
        elif match := re.match(r"\*\s*LOC:\s*(\S+)\s+\w+\s+(.*)", line):
            start = _instant(match[1], timeline, zero, place)
            found.append(_marker(start, 1 / timeline.rate, match[2], ""))
        elif _NUMBERED.match(line) and (":" in line or ";" in line) and " V " in f"{line} ":
            raise MediaError(
                f'Line {place} has no four timecodes: "{line[:80]}".', "Export it again."
            )
    return tuple(found)


def _csv_markers(text: str, timeline: Timeline, zero: int) -> tuple[Marker, ...]:
    rows = csv.DictReader(io.StringIO(text))
    if "Record In" not in (rows.fieldnames or ()):
        raise ValueError("it has no column Record In")
    found = []
    for row in rows:
        start = _instant(row["Record In"] or "", timeline, zero, rows.line_num)
        length = _dur(row.get("Dur"), timeline, rows.line_num)
        found.append(_marker(start, length, row.get("Name") or "", row.get("Notes") or ""))
    return tuple(found)


def _dur(text: str | None, timeline: Timeline, place: int) -> Fraction:
    if not (text or "").strip():
        return 1 / timeline.rate
    return _instant(text or "", timeline, 0, place)


def _instant(text: str, timeline: Timeline, zero: int, place: int) -> Fraction:
    """Seconds from the timeline's first frame of a label such as 1:00:03:00.

    Raises:
        MediaError: naming its line.
    """
    try:
        label = Timecode.parse(re.sub(r"[;.,]", ":", text.strip()), timeline.rate, timeline.drop)
    except FoleyError as error:
        raise MediaError(f"Line {place}: {error.problem}", error.remedy) from error
    return (label.frames - zero) / timeline.rate


def _marker(start: Fraction, length: Fraction, name: str, note: str) -> Marker:
    return Marker(start=start, duration=length, name=name.strip(), note=note.strip())
