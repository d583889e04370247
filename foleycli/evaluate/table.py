"""Tables of a run: figures with intervals, controls, and marks on measures that fail them."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from scipy.stats import t as student_t

from foleycli.config import EVALUATE
from foleycli.errors import UsageError
from foleycli.evaluate.controls import CONTROLS
from foleycli.evaluate.measures import Measure
from foleycli.evaluate.results import FEWEST, Estimate, Results
from foleycli.evaluate.sets import CONTROL

MANY = 20  # clips, of which an interval is as wide as it should be, nearly
COLUMNS = 6  # measures beside one another
ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}
FAILS = " ✗"  # after a measure that does not work on the set
SURE = " *"  # after a difference whose interval leaves zero out
SURE_NOTE = f"{SURE.strip()}: the 95 % interval leaves zero out."
SEEN = {"full": "Full clips", "cu": "Close-ups", "cm": "Camera moves"}
LATEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "↑": r"$\uparrow$", "↓": r"$\downarrow$",
         "✗": r"$\times$", "−": "$-$", "–": "--"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as they are read; the first column names the rows."""

    title: str
    head: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)
    ruled: tuple[int, ...] = ()  # rows after which a line is drawn


def result_tables(results: Results) -> list[Table]:
    """A table a variant and handful of measures: models, then controls."""
    tables = []
    for variant in results.variants:
        for measures in _handfuls(results.measures):
            head = ["sound", *(head_of(results, measure) for measure in measures)]
            rows = [
                [name, *(cell(results.estimate(variant, name, m), m) for m in measures)]
                for name in results.models
            ]
            rows += [
                [name, *(cell(results.estimate(CONTROL, name, m), m) for m in measures)]
                for name in CONTROLS
            ]
            ruled = (len(results.models) - 1,)
            tables.append(Table(SEEN[variant], head, rows, [], ruled))
    tables[-1].notes.extend(reading_notes(results))
    return tables


def difference_tables(results: Results, pairs: Sequence[tuple[str, str]] = ()) -> list[Table]:
    """How much one model has more than another, clip by clip.

    Args:
        pairs: (model, the one it is compared with); by default all of up to three models, else
            each against the first.
    """
    pairs = pairs or default_pairs(results.models)
    tables = []
    for variant in results.variants if pairs else ():
        for measures in _handfuls(results.measures):
            rows = [
                [
                    f"{a} − {b}",
                    *(cell(results.difference(variant, a, b, m), m, mark=True) for m in measures),
                ]
                for a, b in pairs
            ]
            head = ["difference", *(head_of(results, measure) for measure in measures)]
            tables.append(Table(f"{SEEN[variant]}: differences", head, rows))
    if any(text.endswith(SURE) for made in tables for row in made.rows for text in row):
        tables[-1].notes.append(SURE_NOTE)
    return tables


def category_table(results: Results, variant: str, a: str, b: str, measure: Measure) -> Table:
    """What one model gains over another in each category, the largest gain first."""
    gains = results.by_category(variant, a, b, measure)
    overall = results.difference(variant, a, b, measure)
    rows = [
        [label, str(gain.clips), cell(gain, measure, mark=True)] for label, gain in gains.items()
    ]
    rows.append(["all", str(overall.clips), cell(overall, measure, mark=True)])
    title = f"{SEEN[variant]}: {a} − {b} by category"
    return Table(
        title, ["category", "clips", head_of(results, measure)], rows, [], (len(gains) - 1,)
    )


def default_pairs(models: Sequence[str]) -> list[tuple[str, str]]:
    """Which models are compared when nobody says."""
    if len(models) <= 3:
        return [(b, a) for i, a in enumerate(models) for b in models[i + 1 :]]
    return [(other, models[0]) for other in models[1:]]


def parse_pairs(text: str, models: Sequence[str]) -> list[tuple[str, str]]:
    """Read ``B:A,D:C``: what B has more than A, and D more than C.

    Raises:
        UsageError: one is not in the run.
    """
    pairs = []
    for part in filter(None, text.split(",")):
        a, colon, b = (text.strip() for text in part.partition(":"))
        if not colon:
            raise UsageError(f"{part!r} is no pair.", "Write B:A for how much B has more than A.")
        for name in (a, b):
            if name not in models:
                raise UsageError(f"The run has no model {name!r}.", f"It has {', '.join(models)}.")
        pairs.append((a, b))
    return pairs


def reading_notes(results: Results) -> list[str]:
    """What a reader must know of these numbers."""
    lacking = [example.id for example in results.plan.examples if not results.clip(example.id)]
    clips, takes = len(results.plan.examples) - len(lacking), results.plan.takes
    sets = any(measure.kind == "set" for measure in results.measures)
    notes = [
        f"{clips} clips, {takes} {'take' if takes == 1 else 'takes'} each. Square brackets: 95 % "
        "over clips, which are resampled, or for measures of whole sets left out by tenths.",
        "All sounds are measured against the full clip, its own sound and its whole picture.",
    ]
    if clips < FEWEST:
        notes.append("Too few clips for intervals, or to check the measures on the controls.")
    elif clips < MANY:
        notes.append(
            f"Intervals of means are too narrow with {clips} clips: of normal values they would "
            f"hold the truth {round(100 * coverage(clips))} times in 100, not 95."
        )
    if clips <= EVALUATE.groups and sets:
        notes.append(f"Measures of whole sets have intervals from {EVALUATE.groups + 1} clips on.")
    notes += failing_notes(results).values()
    if fewer := [name for name in results.models if results.takes(name) < takes]:
        notes.append(f"Fewer takes of {', '.join(fewer)}: there are no more in its folder.")
    others = len(results.plan.measures) - len(results.measures)
    if others > 0:
        notes.append(f"{others} more measures were taken: --measures all.")
    if lacking:
        notes.append(f"{_many(lacking)} not measured: left out everywhere.")
    missing = [
        f"{name} ({variant})"
        for variant in results.variants
        for name in results.models
        if len(results.sounded(variant, name)) < clips
    ]
    if missing:
        apart = ", and measures of whole sets are not compared" if sets else ""
        notes.append(f"Some clips have no sound of {', '.join(missing)}: left out there{apart}.")
    return notes


def failing_notes(results: Results) -> dict[str, str]:
    """By the measure's name, why it is marked."""
    return {
        name: f"{FAILS.strip()} {name} does not put the clips' own sound before "
        f"{_listed(controls)} on these clips: not to be read as quality here."
        for name, controls in results.failing.items()
    }


def coverage(clips: int) -> float:
    """How often a 95 % interval of the mean over resampled clips holds the truth, of normal
    values: it is 1.96 of their deviation with divisor n, where Student's t asks for more."""
    reach = 1.959964 * math.sqrt((clips - 1) / clips)
    return float(2 * student_t.cdf(reach, clips - 1) - 1)


def tidy_rows(results: Results) -> list[list[str]]:
    """Every number once, for other programs: variant, row, measure, value, low, high, clips."""
    rows = [["variant", "row", "measure", "better", "value", "low", "high", "clips", "works_here"]]
    told = len(results.plan.examples) >= FEWEST  # of fewer nobody knows
    for variant in (*results.variants, CONTROL):
        for name in CONTROLS if variant == CONTROL else results.models:
            for measure in results.measures:
                e = results.estimate(variant, name, measure)
                works = str(measure.name not in results.failing) if measure.better and told else ""
                numbers = ["" if math.isnan(v) else f"{v:.6g}" for v in (e.value, e.low, e.high)]
                clips = str(e.clips) if measure.kind == "clip" else ""
                rows.append(
                    [variant, name, measure.name, measure.better or "", *numbers, clips, works]
                )
    return rows


def head_of(results: Results, measure: Measure) -> str:
    """A measure's name, its unit, which way is better, and whether it fails on this set."""
    unit = f" ({measure.unit})" if measure.unit else ""
    mark = FAILS if measure.name in results.failing else ""
    return f"{measure.name}{unit}{ARROWS[measure.better]}{mark}"


def cell(estimate: Estimate, measure: Measure, *, mark: bool = False) -> str:
    """``2.51 [2.03, 3.05]``"""
    if math.isnan(estimate.value):
        return "–"
    if math.isnan(estimate.low):
        return number(estimate.value)
    text = f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"
    return text + SURE if mark and estimate.differs else text


def number(value: float) -> str:
    """Three digits that count, and no minus before zero."""
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 0.1 or size < 5e-4 else 3
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if not float(text) else text


def split_table(table: Table, width: int, between: int = 2) -> list[Table]:
    """The table in parts no wider than so many characters, nothing cut; each has the first column.

    Args:
        between: characters that a column takes beside its text.
    """
    columns = list(zip(table.head, *table.rows, strict=True))
    wide = [max(map(len, column)) + between for column in columns]
    parts: list[list[int]] = [[]]
    for number in range(1, len(columns)):
        if parts[-1] and wide[0] + sum(wide[i] for i in parts[-1]) + wide[number] > width:
            parts.append([])
        parts[-1].append(number)
    made = [
        replace(
            table,
            head=[table.head[i] for i in (0, *part)],
            rows=[[row[i] for i in (0, *part)] for row in table.rows],
            notes=[],
        )
        for part in parts
    ]
    return [*made[:-1], replace(made[-1], notes=table.notes)]


def to_markdown(tables: Sequence[Table]) -> str:
    """For a README or an issue."""
    return "\n\n".join("\n".join(_markdown(table)) for table in tables) + "\n"


def to_csv(rows: Sequence[Sequence[str]]) -> str:
    """Rows as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def to_latex(tables: Sequence[Table]) -> str:
    """For a paper; needs the package booktabs."""
    return "\n\n".join("\n".join(_latex(table)) for table in tables) + "\n"


def _markdown(table: Table) -> Iterator[str]:
    yield f"**{table.title}**\n"
    yield "| " + " | ".join(table.head) + " |"
    yield "|---" * len(table.head) + "|"
    for row in table.rows:
        yield "| " + " | ".join(text.replace("|", r"\|") for text in row) + " |"
    if table.notes:
        yield ""
        yield from (f"- {note}" for note in table.notes)


def _latex(table: Table) -> Iterator[str]:
    yield r"\begin{table}"
    yield rf"\caption{{{_escaped(table.title)}}}"
    yield rf"\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}"
    yield r"\toprule"
    yield " & ".join(_escaped(text) for text in table.head) + r" \\"
    yield r"\midrule"
    for number, row in enumerate(table.rows):
        yield " & ".join(_escaped(text) for text in row) + r" \\"
        if number in table.ruled:
            yield r"\midrule"
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield from (rf"\par {_escaped(note)}" for note in table.notes)
    yield r"\end{table}"


def _escaped(text: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in text)


def _handfuls(measures: Sequence[Measure]) -> list[Sequence[Measure]]:
    """Measures of quality first, as many in a table as fit; what only describes comes last."""
    quality = [measure for measure in measures if measure.better]
    others = [measure for measure in measures if not measure.better]
    return [
        part[i : i + COLUMNS] for part in (quality, others) for i in range(0, len(part), COLUMNS)
    ]


def _many(ids: Sequence[str]) -> str:
    """``3 clips (a, b, ...) were``"""
    shown = ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "")
    return f"{len(ids)} clips ({shown}) were" if len(ids) > 1 else f"1 clip ({shown}) was"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
