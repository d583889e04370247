"""Tables: intervals, marks on measures that fail, the paper's numbers."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from foleycli.errors import UsageError
from foleycli.evaluate import measures
from foleycli.evaluate.clipset import Example
from foleycli.evaluate.contestants import Contestant
from foleycli.evaluate.controls import CONTROLS, METRONOME, OWN
from foleycli.evaluate.paper import COLUMNS, match_rows, paper_rows, paper_tables
from foleycli.evaluate.plan import CORE, Plan, join_plan, write_json
from foleycli.evaluate.results import Results, jackknife, mean_of
from foleycli.evaluate.table import (
    category_table,
    coverage,
    difference_tables,
    number,
    parse_pairs,
    result_tables,
    split_table,
    tidy_rows,
    to_csv,
    to_latex,
    to_markdown,
)

CLIPS = 24
MEASURES = ("kl", "sync_z", "fad_yamnet")


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    """A run as if it had been done: model b is better by .5 on kl, and a metronome by 1 in sync."""
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    examples = tuple(
        Example(f"c{n}", folder / f"c{n}.mp4", ("dog", "gun", "rain")[n % 3]) for n in range(CLIPS)
    )
    models = tuple(Contestant(name=name, folder=folder) for name in ("a", "b"))
    join_plan(
        Plan(folder=folder, examples=examples, contestants=models, takes=2, measures=MEASURES,
             variants=("full", "cu"))
    )  # fmt: skip
    for n, example in enumerate(examples):
        base = rng.normal(3, 1)
        noise = rng.normal(0, 0.1, 4)

        def take(kl, sync):
            return {"file": "x", "hash": "", "scores": {"kl": kl, "sync_z": sync}}

        rows = {
            variant: {
                "a": {"sounds": [take(base + 0.1, 1.0), take(base - 0.1, None)]},
                "b": {"sounds": [take(base - 0.5 + noise[0] - (n % 3), 1.0)]},
            }
            for variant in ("full", "cu")
        }
        controls = {name: [{"kl": 4 + noise[1], "sync_z": 0.0}] for name in CONTROLS}
        controls[OWN] = [{"kl": 0.0, "sync_z": 1 + noise[2]}]
        controls[METRONOME] = [{"kl": 6.0, "sync_z": 2 + noise[3]}]
        told = {"id": example.id, "controls": controls, "rows": rows}
        write_json(folder / "clips" / f"{example.id}.json", told)
    for variant in ("full", "cu"):
        for name, level in (("a", 5.0), ("b", 4.0)):
            values = {"fad_yamnet": [level, *(level + 0.01 * np.arange(10))]}
            write_json(folder / "sets" / variant / f"{name}.json", {"key": "", "values": values})
    for name, level in zip(CONTROLS, (0.0, None, 9.0, 8.0, 7.0), strict=True):
        write_json(
            folder / "sets" / "control" / f"{name}.json", {"values": {"fad_yamnet": [level]}}
        )
    return Results(folder)


def test_a_measure_that_a_metronome_beats_is_marked(results) -> None:
    assert results.failing == {"sync_z": [METRONOME]}
    text = to_markdown(result_tables(results))
    assert "sync_z ↑ ✗" in text and "kl (nats) ↓ |" in text
    assert "does not put the clips' own sound before metronome" in text
    assert "24 clips, 2 takes" in text and "Fewer takes of b:" in text


def test_takes_are_averaged_before_clips_and_what_is_undefined_is_left_out(results) -> None:
    kl, sync, _ = results.measures
    a = results.values("full", "a", "kl")
    assert results.estimate("full", "a", kl).value == pytest.approx(a.mean())
    assert results.value("c0", "full", "a", "sync_z") == 1.0
    assert results.difference("full", "b", "a", kl).differs
    assert not results.difference("full", "b", "a", sync).differs


def test_differences_are_paired(results) -> None:
    """Clips differ by 1 from one another, which the difference of two models does not feel."""
    kl = results.measures[0]
    a, b = (results.estimate("full", row, kl) for row in "ab")
    gain = results.difference("full", "b", "a", kl)
    assert gain.high - gain.low < 0.8 * np.hypot(a.high - a.low, b.high - b.low)
    table = to_markdown(difference_tables(results))
    assert "| b − a |" in table and "*" in table


def test_categories_come_by_gain(results) -> None:
    found = results.by_category("full", "b", "a", results.measures[0])
    assert list(found) == ["rain", "gun", "dog"]  # less is better: the largest fall first
    assert [gain.clips for gain in found.values()] == [8, 8, 8]
    table = category_table(results, "full", "b", "a", results.measures[0])
    assert [row[0] for row in table.rows] == ["rain", "gun", "dog", "all"]
    with pytest.raises(UsageError):
        results.by_category("full", "b", "a", results.measures[2])


def test_few_clips_have_no_interval() -> None:
    assert np.isnan(mean_of(np.array([1.0, 2.0, 3.0, 4.0])).low)
    assert mean_of(np.arange(5.0)).clips == 5 and not np.isnan(mean_of(np.arange(5.0)).low)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    """With one clip a group: s / sqrt(n), and Student's t of n - 1 degrees."""
    values = np.random.default_rng(0).normal(size=10)
    left_out = [np.delete(values, i).mean() for i in range(10)]
    found = jackknife(np.array([values.mean(), *left_out]))
    error = values.std(ddof=1) / np.sqrt(10)
    assert found.high - found.value == pytest.approx(2.262157 * error, rel=1e-6)


def test_csv_holds_every_number_once(results) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(tidy_rows(results)))))
    assert len(rows) == (2 * 2 + len(CONTROLS)) * len(MEASURES)
    one = next(r for r in rows if (r["variant"], r["row"], r["measure"]) == ("cu", "b", "kl"))
    assert float(one["low"]) < float(one["value"]) < float(one["high"])
    assert {r["works_here"] for r in rows if r["measure"] == "sync_z"} == {"False"}


def test_latex_escapes_what_latex_reads(results) -> None:
    text = to_latex(result_tables(results))
    assert r"fad\_yamnet $\downarrow$" in text and text.count(r"\begin{tabular}") == 2
    assert "↑" not in text and " %" not in text.replace(r"\%", "")


def test_the_papers_tables_agree_with_one_another() -> None:
    """Table 4's 75 % is Table 1's own row, its 50 % Table 3's f_cu, in all three sets."""
    numbers = {
        (row["table"], row["set"], row["row"]): [row[c.key] for c in COLUMNS]
        for row in paper_rows()
    }
    assert len(numbers) == 24
    for variant in ("full", "cu", "cm"):
        assert numbers["4", variant, "75 %"] == numbers["1", variant, "ours"]
        assert numbers["4", variant, "50 %"] == numbers["3", variant, "f_cu"]
    assert numbers["1", "cu", "ours"] == ["7.825", "25.661", "10.45", "3.438", "11.601", "85.071"]


def test_our_rows_stand_under_the_papers(results) -> None:
    tables = paper_tables(results, "1", match_rows(results, "1"))
    assert [table.title for table in tables] == ["Table 1, full clips", "Table 1, close-ups"]
    rows = {row[0]: row[1:] for row in tables[0].rows}
    assert rows["arXiv 2507.02271: ours"][0] == "7.173"
    assert rows["here: ours (b)"][0].startswith("4.00 [")
    assert rows["here: b − a"][0].startswith("-1.00")
    notes = " ".join(tables[-1].notes)
    assert "FAD is fad_yamnet here and uses VGGish there" in notes


def test_rows_and_models_are_matched_as_told(results) -> None:
    assert match_rows(results, "1", "ours=a") == {"ours": "a"}
    with pytest.raises(UsageError, match="--as"):
        match_rows(results, "3")
    with pytest.raises(UsageError):
        paper_tables(results, "3", {"f_cu": "nobody"})
    with pytest.raises(UsageError):
        paper_tables(results, "2", {})


def test_numbers_have_the_digits_that_count() -> None:
    assert [number(v) for v in (1234.5, 123.45, 1.234, 0.01234, -0.0001)] == [
        "1234",
        "123.5",
        "1.23",
        "0.012",
        "0.00",
    ]


def test_pairs_are_read(results) -> None:
    assert parse_pairs("b:a", results.models) == [("b", "a")]
    with pytest.raises(UsageError):
        parse_pairs("b:c", results.models)


def test_a_folder_without_a_run_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError):
        Results(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"set": []}))
    with pytest.raises(UsageError):
        Results(tmp_path)


def test_a_wide_table_is_split_and_nothing_is_cut(results) -> None:
    whole = result_tables(results)[-1]
    parts = split_table(whole, 60)
    assert len(parts) > 1
    assert [head for part in parts for head in part.head[1:]] == whole.head[1:]
    assert all(part.head[0] == "sound" for part in parts)
    assert [len(part.notes) > 0 for part in parts] == [False] * (len(parts) - 1) + [True]
    for part in parts:
        columns = zip(part.head, *part.rows, strict=True)
        assert sum(max(map(len, column)) + 2 for column in columns) <= 60
    assert split_table(whole, 500) == [whole]
    assert len(split_table(whole, 10)) == len(whole.head) - 1  # one that fits nowhere, whole


def test_intervals_of_few_clips_are_as_narrow_as_is_said() -> None:
    """Percentile intervals of normal values, drawn."""
    rng = np.random.default_rng(0)
    held = [e.low < 0 < e.high for e in (mean_of(rng.normal(size=6)) for _ in range(1000))]
    assert np.mean(held) == pytest.approx(coverage(6), abs=0.03)
    assert coverage(6) == pytest.approx(0.866, abs=5e-4) and coverage(1000) > 0.949


def test_sets_of_other_clips_are_not_compared(results, tmp_path) -> None:
    """One clip less alone moves a Frechet distance: the difference would not be the models'."""
    import shutil

    shutil.copytree(results.plan.folder, tmp_path / "run")
    path = tmp_path / "run" / "clips" / "c3.json"
    clip = json.loads(path.read_text())
    del clip["rows"]["full"]["b"]
    path.write_text(json.dumps(clip))
    fewer = Results(tmp_path / "run")
    kl, _, fad = fewer.measures
    assert np.isnan(fewer.difference("full", "b", "a", fad).value)
    assert fewer.difference("full", "b", "a", kl).clips == CLIPS - 1
    assert fewer.difference("cu", "b", "a", fad).value == pytest.approx(-1)
    notes = " ".join(result_tables(fewer)[-1].notes)
    assert "no sound of b (full): left out there, and measures of whole sets" in notes


def test_clips_that_failed_are_named_and_not_counted(results, tmp_path) -> None:
    import shutil

    shutil.copytree(results.plan.folder, tmp_path / "run")
    for n in range(6):
        (tmp_path / "run" / "clips" / f"c{n}.json").unlink()
    notes = " ".join(result_tables(Results(tmp_path / "run"))[-1].notes)
    assert "18 clips, 2 takes" in notes and "too narrow with 18 clips" in notes
    assert "6 clips (c0, c1, c2, c3, c4, ...) were not measured" in notes


def test_what_a_run_was_asked_for_is_shown_and_of_everything_the_most_telling(tmp_path) -> None:
    example = Example("c0", tmp_path / "c0.mp4")
    write_json(tmp_path / "clips" / "c0.json", {"id": "c0", "controls": {}, "rows": {}})
    plan = Plan(folder=tmp_path, examples=(example,), contestants=())

    def shown(taken, *asked) -> list[str]:
        (tmp_path / "run.json").unlink(missing_ok=True)
        join_plan(replace(plan, measures=taken))
        return [measure.name for measure in Results(tmp_path, asked).measures]

    assert shown(("env", "desync", "visah_mag")) == ["env", "desync", "visah_mag"]
    assert shown(("env", "desync", "visah_mag"), "default", "desync") == ["env", "desync"]
    everything = tuple(measure.name for measure in measures.MEASURES)
    assert shown(everything) == list(CORE)
    assert set(shown(everything, "all")) == set(everything)


def test_papers_tables_explain_their_marks_and_refuse_others(results) -> None:
    with pytest.raises(UsageError, match="no table 2"):
        match_rows(results, "2")
    notes = paper_tables(results, "1", match_rows(results, "1"))[-1].notes
    assert notes[-1].startswith("*") and not any("sync_z" in note for note in notes)


def test_a_pair_is_two_models(results) -> None:
    with pytest.raises(UsageError, match="no pair"):
        parse_pairs("b", results.models)
    assert parse_pairs("b : a", results.models) == [("b", "a")]
