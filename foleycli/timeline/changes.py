"""What became of shots and events in another cut, as a list that a person reads and as a table."""

import csv
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from foleycli.output import atomic_output
from foleycli.timeline.lanes import ZERO
from foleycli.timeline.model import Timeline
from foleycli.timeline.recut import STATUSES, CueChange, ShotChange


def change_lines(changes: Sequence[ShotChange], timeline: Timeline) -> list[str]:
    """The change list as a person reads it: a summary, then a line a shot, and under it the
    events that did not simply go along with it."""
    counts = {status: sum(c.status == status for c in changes) for status in STATUSES}
    events = {status: sum(e.status == status for c in changes for e in c.cues)
              for status in STATUSES}  # fmt: skip
    lines = [
        "shots:  " + ", ".join(f"{n} {status}" for status, n in counts.items() if n),
        "events: " + ", ".join(f"{n} {status}" for status, n in events.items() if n),
        "",
    ]
    for change in changes:
        before, after = change.before, change.after
        was = f"{before.number:>4} {before.begin}" if before else f"{'-':>4} {'-':<11}"
        now = f"{after.number:>4} {after.begin}" if after else f"{'-':>4} {'-':<11}"
        rest = [cue for cue in change.cues if not change.goes_along(cue)]
        lines.append(f"{change.status:<8} {was} -> {now}  {change.clip}{_note(change, rest)}")
        lines += [_cue_line(cue, timeline) for cue in rest]
    return lines


def _note(change: ShotChange, rest: Sequence[CueChange]) -> str:
    """What is said behind a shot's name; events that moved along with it are counted only."""
    along = [cue for cue in change.cues if cue not in rest]
    edited = sum(cue.by_hand for cue in along)
    notes = [change.note] if change.note else []
    if along and change.status in ("moved", "trimmed"):
        events = "event" if len(along) == 1 else "events"
        notes.append(f"with {len(along)} {events}" + (f", {edited} edited" if edited else ""))
    return f"  ({', '.join(notes)})" if notes else ""


def _cue_line(cue: CueChange, timeline: Timeline) -> str:
    edited = ", edited" if cue.by_hand else ""
    times = " -> ".join(_label(at, timeline) for at in (cue.before, cue.after) if at is not None)
    return f"           {cue.status:<8} {times}  {cue.what} ({cue.layer or cue.kind}{edited})"


def _label(at: Fraction, timeline: Timeline) -> str:
    return str(timeline.timecode(max(ZERO, at) - timeline.start_seconds))


CHANGE_COLUMNS = (
    *("status", "shot_before", "shot_after", "clip", "note"),
    *("event", "layer", "kind", "edited", "time_before", "time_after"),
)


def change_rows(changes: Sequence[ShotChange], timeline: Timeline) -> list[dict[str, str | int]]:
    """The change list as a table, by `CHANGE_COLUMNS`: a row for each shot and for each event."""
    rows = []
    for change in changes:
        before, after = change.before, change.after
        numbers = [shot.number if shot else "" for shot in (before, after)]
        labels = [shot.begin if shot else "" for shot in (before, after)]
        said = [change.status, *numbers, change.clip, change.note, "", "", "", "", *labels]
        rows.append(said)
        for cue in change.cues:
            times = ["" if at is None else _label(at, timeline) for at in (cue.before, cue.after)]
            edited = "yes" if cue.by_hand else ""
            rows.append([cue.status, *numbers, change.clip, "", cue.what, cue.layer, cue.kind,
                         edited, *times])  # fmt: skip
    return [dict(zip(CHANGE_COLUMNS, row, strict=True)) for row in rows]


def write_changes(
    changes: Sequence[ShotChange], timeline: Timeline, text: Path, *, overwrite: bool
) -> None:
    """Write the change list as text, and beside it as a table (``.csv``)."""
    with atomic_output(text, overwrite=overwrite) as beside:
        lines = change_lines(changes, timeline)
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with (
        atomic_output(text.with_suffix(".csv"), overwrite=overwrite) as beside,
        beside.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.DictWriter(file, CHANGE_COLUMNS)
        table.writeheader()
        table.writerows(change_rows(changes, timeline))
