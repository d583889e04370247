"""The cue sheet that is edited: every change on disk at once, undone and redone without end.

Two files: the sheet, which is always whole and what ``foley gen --cues`` reads, and beside it a
journal, one JSON line a step, from which a session that was killed goes on where it was. The first
line holds the sheet as it was found, byte for byte, and undoing everything writes it back.
"""

import base64
import csv
import hashlib
import io
import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foleycli.errors import FoleyError, MediaError, UsageError
from foleycli.output import atomic_output, flush, output_error
from foleycli.spot.cues import COLUMNS, Cue, parse_cue, read_cues, sheet_rows

Row = dict[str, str]  # one cue as the sheet says it
Numbered = Sequence[tuple[int, Cue]]  # rows as cues, in the order of the sheet
# (rows before, after, those that were touched) -> what the ``recording`` of some becomes
Follow = Callable[[Numbered, Numbered, set[int]], dict[int, str]]
MOST_EVENTS = 20_000
MOST_CHANGED = 5_000  # rows of one step


class ConflictError(FoleyError):
    """Somebody else changed the same event meanwhile."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change: rows by their numbers as they became, and as they were; None is no row. Where
    another take is kept, its seed, and the one before; None is the one that was asked for."""

    label: str
    rows: dict[int, Row | None]
    was: dict[int, Row | None]
    seed: int | None = None
    seed_was: int | None = None

    def undone(self) -> "Step":
        """The change that takes it back."""
        return Step(self.label, self.was, self.rows, self.seed_was, self.seed)


@dataclass(slots=True)
class _Marks:
    """Where a step is in the journal, to know a sheet that another program changed."""

    now: str = ""  # hash of the sheet as it should stand
    before: str = ""  # and as it stood before the last step: a kill may come between


@dataclass(slots=True)
class Session:
    """Rows of a cue sheet that are being edited. All methods may be called from any thread.

    Args:
        sheet: the CSV.
        about: what the journal's first line says of the film and its options.
    """

    sheet: Path
    about: dict[str, Any] = field(default_factory=dict)
    revision: int = 0
    rows: dict[int, Row] = field(default_factory=dict)
    seed: int | None = None  # of the take that is kept; None: what was asked for
    changed: dict[int, int] = field(default_factory=dict)  # row -> revision of its last change
    _done: list[Step] = field(default_factory=list)
    _undone: list[Step] = field(default_factory=list)
    _first: bytes = b""
    _next: int = 1
    _marks: _Marks = field(default_factory=_Marks)
    _stat: tuple[int, int] = (0, 0)
    _read: dict[int, Cue] = field(default_factory=dict)  # rows as cues, read once each
    lock: Any = field(default_factory=threading.RLock)

    @property
    def journal(self) -> Path:
        """The file of steps."""
        return journal_path(self.sheet)

    @classmethod
    def open(cls, sheet: Path, about: dict[str, Any] | None = None) -> "Session":
        """Go on with a journal where there is one, or begin one with the sheet as it stands.

        Raises:
            MediaError: the sheet, or the journal, cannot be read.
        """
        session = cls(sheet.resolve(), about or {})
        if session.journal.is_file():
            session._replay()
        else:
            session._begin()
        session._stat = _stat(session.sheet)
        return session

    def cues(self) -> list[tuple[int, Cue]]:
        """The rows as cues with their numbers, in the order of the sheet."""
        with self.lock:
            for number, row in self.rows.items():
                if number not in self._read:
                    self._read[number] = parse_cue(row)
            return in_order((number, self._read[number]) for number in self.rows)

    def change(
        self,
        label: str,
        rows: Mapping[int, Row | None],
        added: Iterable[Row] = (),
        base: int | None = None,
        follow: Follow | None = None,
    ) -> Step:
        """Set, add and delete rows as one step that can be undone.

        Args:
            label: what it is called when it is undone.
            rows: by number; None deletes.
            added: new rows.
            base: the revision that the change was made on.
            follow: the ``recording`` of rows that follows from the change, in the same step.

        Raises:
            ConflictError: one of the rows was changed after ``base``.
            UsageError: a row is no cue, or there are too many.
        """
        with self.lock:
            self._check_base(rows, base)
            wanted = {number: _normal(row) if row else None for number, row in rows.items()}
            for row in added:
                wanted[self._next] = _normal(row)
                self._next += 1
            if len(wanted) > MOST_CHANGED or len(self.rows) + len(wanted) > MOST_EVENTS:
                raise UsageError(
                    f"A sheet holds {MOST_EVENTS:,} events, a step {MOST_CHANGED:,}.",
                    "Edit the film in parts.",
                )
            if follow is not None:
                wanted |= self._following(wanted, follow)
            was = {number: self.rows.get(number) for number in wanted}
            step = Step(
                label,
                {n: row for n, row in wanted.items() if row != was[n]},
                {n: was[n] for n, row in wanted.items() if row != was[n]},
            )
            if step.rows:
                self._done.append(step)
                self._undone.clear()
                self._apply(step)
                self._keep({"step": step.label, "rows": step.rows, "was": step.was})
            return step

    def keep_take(self, seed: int) -> Step:
        """Draw what the sheet leaves to chance from another seed, as a step that can be undone."""
        with self.lock:
            step = Step(f"take {seed}", {}, {}, seed, self.seed)
            if seed != self.seed:
                self._done.append(step)
                self._undone.clear()
                self._apply(step)
                seeds = {"seed": seed, "seed_was": step.seed_was}
                self._keep({"step": step.label, "rows": {}, "was": {}, **seeds})
            return step

    def _following(self, wanted: dict[int, Row | None], follow: Follow) -> dict[int, Row]:
        rows = {**self.rows, **wanted}
        after = [(number, parse_cue(row)) for number, row in wanted.items() if row]
        after += [(number, cue) for number, cue in self.cues() if number not in wanted]
        kept = follow(self.cues(), in_order(after), set(wanted))
        return {n: _normal({**row, "recording": t}) for n, t in kept.items() if (row := rows[n])}

    def undo(self) -> Step | None:
        """Take the last step back; what that changed, or None at the beginning."""
        with self.lock:
            if not self._done:
                return None
            step = self._done.pop()
            self._undone.append(step)
            self._apply(step.undone())
            self._keep({"undo": 1})
            return step.undone()

    def redo(self) -> Step | None:
        """Do again what was undone last."""
        with self.lock:
            if not self._undone:
                return None
            step = self._undone.pop()
            self._done.append(step)
            self._apply(step)
            self._keep({"redo": 1})
            return step

    def labels(self) -> tuple[str, str]:
        """What undo and redo would take back and do again; "" where nothing."""
        with self.lock:
            return (
                self._done[-1].label if self._done else "",
                self._undone[-1].label if self._undone else "",
            )

    def text(self) -> bytes:
        """The sheet as it should stand on disk."""
        with self.lock:
            if not self._done:
                return self._first
            rows = io.StringIO(newline="")
            said = (self.rows[number].values() for number, _ in self.cues())  # in COLUMNS' order
            csv.writer(rows).writerows([COLUMNS, *said])
            return rows.getvalue().encode()

    def look_for_changes(self) -> Step | None:
        """Take over what another program wrote into the sheet, as a step that can be undone.

        Raises:
            MediaError: what it wrote cannot be read; ours stays until the next change.
        """
        with self.lock:
            stat = _stat(self.sheet)
            if stat == self._stat:
                return None
            self._stat = stat
            if not self.sheet.is_file():
                self._write()  # it was deleted: what is edited is not
                return None
            if _hash(self.sheet.read_bytes()) == self._marks.now:
                return None
            return self._take_over()

    def _take_over(self) -> Step:
        """Make the sheet on disk the present one."""
        found = [_row(cue) for cue in read_cues(self.sheet)]
        rows: dict[int, Row | None] = dict.fromkeys(self.rows)
        added = list(found)
        for number, row in self.rows.items():  # what is the same keeps its number
            if row in added:
                added.remove(row)
                del rows[number]
        return self.change("changes of another program", rows, added)

    def _begin(self) -> None:
        if self.sheet.is_file():
            self._first = self.sheet.read_bytes()
            cues = read_cues(self.sheet)
        else:
            raise MediaError(f"{self.sheet} does not exist.", "Check the name.")
        for cue in cues:
            self.rows[self._next] = _row(cue)
            self._next += 1
        self._marks.now = self._marks.before = _hash(self._first)
        first = base64.b64encode(self._first).decode()
        self._append({"journal": 1, "sheet": self.sheet.name, "first": first, "about": self.about})

    def _replay(self) -> None:
        """Do all steps of the journal again; a line that a kill cut off is left out."""
        try:
            data = self.journal.read_bytes()
            whole, _, torn = data.rpartition(b"\n")
            lines = [json.loads(line) for line in whole.split(b"\n")]
            self._first = base64.b64decode(lines[0]["first"])
            self.about = {**lines[0]["about"], **self.about}
            for number, row in _first_rows(self._first):
                self.rows[number] = row
                self._next = number + 1
            self._marks.now = self._marks.before = _hash(self._first)
            for line in lines[1:]:
                self._repeat(line)
        except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise MediaError(
                f"{self.journal} is no journal of this sheet: {error}.",
                "Move it away; the sheet itself is whole.",
            ) from error
        if torn:
            with self.journal.open("r+b") as file:
                file.truncate(len(whole) + 1)
        on_disk = _hash(self.sheet.read_bytes()) if self.sheet.is_file() else ""
        if on_disk in ("", self._marks.before) and on_disk != self._marks.now:
            self._write()
        elif on_disk != self._marks.now:
            self._take_over()

    def _repeat(self, line: dict[str, Any]) -> None:
        if "step" in line:
            rows, was = ({int(n): r for n, r in line[side].items()} for side in ("rows", "was"))
            step = Step(line["step"], rows, was, line.get("seed"), line.get("seed_was"))
            self._done.append(step)
            self._undone.clear()
            self._apply(step)
            self._next = max([self._next, *(number + 1 for number in rows)])
        elif "undo" in line:
            self._undone.append(self._done.pop())
            self._apply(self._undone[-1].undone())
        elif "redo" in line:
            self._done.append(self._undone.pop())
            self._apply(self._done[-1])
        self._marks.before, self._marks.now = self._marks.now, line["sheet"]

    def _apply(self, step: Step) -> None:
        self.revision += 1
        if step.seed != step.seed_was:
            self.seed = step.seed
        for number, row in step.rows.items():
            self.changed[number] = self.revision
            self._read.pop(number, None)
            if row is None:
                self.rows.pop(number, None)
            else:
                self.rows[number] = row

    def _keep(self, line: dict[str, Any]) -> None:
        """Bring a step to the disk: first the journal, then the sheet."""
        text = self.text()
        self._marks.before, self._marks.now = self._marks.now, _hash(text)
        self._append({**line, "sheet": self._marks.now})
        self._write(text)

    def _append(self, line: dict[str, Any]) -> None:
        try:
            with self.journal.open("ab") as file:
                file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise output_error(error, self.journal) from error

    def _write(self, text: bytes | None = None) -> None:
        with atomic_output(self.sheet, overwrite=True) as beside:
            beside.write_bytes(self.text() if text is None else text)
        self._stat = _stat(self.sheet)
        flush(self.sheet.parent)

    def _check_base(self, rows: Mapping[int, Row | None], base: int | None) -> None:
        missing = [number for number in rows if number not in self.rows]
        late = [n for n in rows if base is not None and self.changed.get(n, 0) > base]
        if missing or late:
            raise ConflictError(
                "This event was changed or deleted meanwhile, in another window or program.",
                "Look at it and do it again.",
            )


def in_order(numbered: Iterable[tuple[int, Cue]]) -> list[tuple[int, Cue]]:
    """Rows in the order of the sheet: by time, then by number. Floats are compared first, which
    are read off a fraction once, where fractions are multiplied at every comparison."""
    return sorted(numbered, key=lambda one: (float(one[1].start), one[1].start, one[0]))


def journal_path(sheet: Path) -> Path:
    """``shot_cues.csv`` -> ``shot_cues.csv.journal``."""
    return sheet.with_name(f"{sheet.name}.journal")


def _first_rows(text: bytes) -> Iterable[tuple[int, Row]]:
    from foleycli.output import scratch_folder

    with scratch_folder() as folder:
        sheet = folder / "first.csv"
        sheet.write_bytes(text)
        return list(enumerate((_row(cue) for cue in read_cues(sheet)), 1))


def _row(cue: Cue) -> Row:
    """A cue as the sheet says it."""
    _, said = sheet_rows([cue])
    return dict(zip(COLUMNS, said, strict=True))


def _normal(row: Mapping[str, Any]) -> Row:
    """A row as the sheet will say it, and be read again.

    Raises:
        UsageError: it is no cue.
    """
    try:
        unknown = set(row) - set(COLUMNS)
        if unknown:
            raise UsageError(f"A cue has no {sorted(unknown)[0]}.", f"It has {', '.join(COLUMNS)}.")
        text = {name: " ".join(str(value).split()) for name, value in row.items()}
        return _row(parse_cue(text))
    except MediaError as error:
        raise UsageError(error.problem, error.remedy) from error


def _hash(text: bytes) -> str:
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def _stat(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size
