"""The tables of arXiv 2507.02271 with a run's numbers beside them, and what may be compared.

``paper.csv`` holds the published numbers. Table 1: Diff-Foley against the student's encoder. Table
3: which variation the student learns from. Table 4: in which share of the examples.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from foleycli.errors import UsageError
from foleycli.evaluate.measures import Measure
from foleycli.evaluate.results import Estimate, Results
from foleycli.evaluate.table import (
    ARROWS,
    FAILS,
    SEEN,
    SURE,
    SURE_NOTE,
    Table,
    cell,
    failing_notes,
    number,
)

PAPER = "arXiv 2507.02271"
TAKES = 10  # the paper's sounds of a clip


@dataclass(frozen=True, slots=True)
class Column:
    """One of the paper's measures, and ours for it: its own first, then what stands in for it."""

    key: str  # in paper.csv
    title: str
    measures: tuple[str, ...]
    own: str  # the paper's extractor or classifier
    better: str
    scale: float = 1.0  # the paper prints the measure times this


ALIGN_ACC = ("align_acc", "align_acc (own classifier)")
COLUMNS = (
    Column("fad", "FAD", ("fad_vggish", "fad_yamnet"), "VGGish", "lower"),
    Column("fd", "FD", ("fd_panns", "fd_yamnet"), "PANNs", "lower"),
    Column("kid", "KID (e-3)", ("kid_panns", "kid_yamnet"), "PANNs", "lower", 1000.0),
    Column("kl", "KL", ("kl_softmax_panns", "kl_softmax_yamnet", "kl"), "PANNs", "lower"),
    Column("is", "IS", ("is_panns", "is_yamnet"), "PANNs", "higher"),
    Column(
        "align_acc",
        "Align Acc (%)",
        ("align_acc", "align_acc (own classifier)"),
        "its classifier",
        "higher",
    ),
)


@lru_cache(maxsize=1)
def paper_rows() -> list[dict[str, str]]:
    """The published numbers: table, set, row, and a column a measure."""
    with (files("foleycli.evaluate") / "paper.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def row_names(table: str) -> list[str]:
    """The paper's names for the rows of a table."""
    return list(dict.fromkeys(row["row"] for row in paper_rows() if row["table"] == table))


def paper_tables(results: Results, table: str, names: Mapping[str, str]) -> list[Table]:
    """A table of the paper, a part a set, with the run's models under its rows.

    Args:
        table: "1", "3" or "4".
        names: the paper's name of a row -> the run's model that stands for it.

    Raises:
        UsageError: there is no such table, row or model.
    """
    known = row_names(table)
    if not known:
        raise UsageError(f"There is no table {table} to compare with.", "Give 1, 3 or 4.")
    for name, model in names.items():
        if name not in known:
            raise UsageError(f"Table {table} has no row {name!r}.", f"It has {', '.join(known)}.")
        results.plan.contestant(model)
    tables = [_part(results, table, variant, names) for variant in _sets(table, results)]
    if tables:
        tables[-1].notes.extend(comparable_notes(results))
        if any(text.endswith(SURE) for made in tables for row in made.rows for text in row):
            tables[-1].notes.append(SURE_NOTE)
    return tables


def match_rows(results: Results, table: str, text: str = "") -> dict[str, str]:
    """Which model stands for which row: as told (``ours=small,Diff-Foley=small+teacher``), else by
    name, else the run's models in their order.

    Raises:
        UsageError: there is no such table, or the models cannot be matched.
    """
    known, models = row_names(table), results.models
    if not known:
        raise UsageError(f"There is no table {table} to compare with.", "Give 1, 3 or 4.")
    if text:
        pairs = [part.rpartition("=") for part in text.split(",")]
        return {row.strip(): model.strip() for row, _, model in pairs}
    if by_name := {row: row for row in known if row in models}:
        return by_name
    if len(models) != len(known):
        raise UsageError(
            f"Table {table} has the rows {', '.join(known)}, the run the models "
            f"{', '.join(models)}.",
            "Say which is which: --as 'ROW=MODEL,ROW=MODEL'.",
        )
    return dict(zip(known, models, strict=True))


def comparable_notes(results: Results) -> list[str]:
    """In plain words, what of the two may be compared."""
    alike, unlike = [], []
    for column in COLUMNS:
        measure = _measure(results, column)
        if measure is None:
            unlike.append(f"{column.title} was not taken here")
        elif measure.name == column.measures[0]:
            alike.append(column.title)
        else:
            unlike.append(f"{column.title} is {measure.name} here and uses {column.own} there")
    notes = []
    if unlike:
        notes.append(
            f"Not on one scale: {'; '.join(unlike)}. Compare which row is better, not the numbers."
        )
    if alike:
        notes.append(
            f"The same measure: {', '.join(alike)}; comparable in number if the set is VGGSound's "
            f"test list with {TAKES} takes (here {len(results.plan.examples)} clips, "
            f"{results.plan.takes} takes)."
        )
    notes.append(
        f"{PAPER} compares video encoders under Diff-Foley on VGGSound's test clips; this run has "
        "its own models, clips and windows of the same law."
    )
    used = {measure.name for column in COLUMNS if (measure := _measure(results, column))}
    return notes + [note for name, note in failing_notes(results).items() if name in used]


def _part(results: Results, table: str, variant: str, names: Mapping[str, str]) -> Table:
    measures = [_measure(results, column) for column in COLUMNS]
    rows = [
        [f"{PAPER}: {paper['row']}", *(paper[c.key] for c in COLUMNS)]
        for paper in paper_rows()
        if (paper["table"], paper["set"]) == (table, variant)
    ]
    if table == "1":
        rows.append([f"{PAPER}: ours − Diff-Foley", *_published_gains(variant)])
    line = len(rows) - 1
    for row, model in names.items():
        cells = [_cell(results.estimate(variant, model, m) if m else None, m, c)
                 for m, c in zip(measures, COLUMNS, strict=True)]  # fmt: skip
        rows.append([f"here: {row} ({model})", *cells])
    if table == "1" and {"ours", "Diff-Foley"} <= set(names):
        ours, base = names["ours"], names["Diff-Foley"]
        gains = [results.difference(variant, ours, base, m) if m else None for m in measures]
        cells = [_cell(g, m, c, mark=True)
                 for g, m, c in zip(gains, measures, COLUMNS, strict=True)]  # fmt: skip
        rows.append([f"here: {ours} − {base}", *cells])
    head = [f"{c.title}{ARROWS[c.better]}{_mark(results, m)}"
            for c, m in zip(COLUMNS, measures, strict=True)]  # fmt: skip
    return Table(f"Table {table}, {SEEN[variant].lower()}", ["", *head], rows, [], (line,))


def _published_gains(variant: str) -> list[str]:
    rows = {r["row"]: r for r in paper_rows() if (r["table"], r["set"]) == ("1", variant)}
    return [number(float(rows["ours"][c.key]) - float(rows["Diff-Foley"][c.key])) for c in COLUMNS]


def _measure(results: Results, column: Column) -> Measure | None:
    """The run's measure for a column: the paper's own where it was taken."""
    taken = {measure.name: measure for measure in results.measures}
    return next((taken[name] for name in column.measures if name in taken), None)


def _cell(
    estimate: Estimate | None, measure: Measure | None, column: Column, *, mark: bool = False
) -> str:
    if estimate is None or measure is None:
        return "–"
    scale = 1.0 if measure.unit else column.scale  # a unit says that it is scaled already
    scaled = Estimate(scale * estimate.value, scale * estimate.low, scale * estimate.high)
    return cell(scaled, measure, mark=mark)


def _mark(results: Results, measure: Measure | None) -> str:
    return FAILS if measure and measure.name in results.failing else ""


def _sets(table: str, results: Results) -> Sequence[str]:
    """Of the paper's sets those that the run has, in the paper's order."""
    asked = dict.fromkeys(row["set"] for row in paper_rows() if row["table"] == table)
    return [variant for variant in asked if variant in results.variants]
