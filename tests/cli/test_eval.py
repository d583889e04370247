"""foley eval as it is typed: exit codes, what is printed, what is written."""

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest

from tests.evaluate.sets import write_set, write_sounds
from tests.films import write_film


def foley(*arguments, check: int = 0) -> subprocess.CompletedProcess:
    line = [sys.executable, "-m", "foleycli.cli.main", "eval", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == check, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("eval")
    write_set(root / "set")
    write_sounds(root / "right")
    write_sounds(root / "late", late=0.37)
    (root / "late" / "c5.wav").unlink()
    return root


@pytest.mark.slow
def test_a_run_with_a_missing_sound_ends_with_5_and_its_tables_are_there(root) -> None:
    models = f"right={root / 'right'},late={root / 'late'}"
    run = ("run", root / "set", "--models", models, "--samples", 1, "--measures", "env,onf1c")
    done = foley(*run, "-o", root / "run", check=5)
    assert "c5" in done.stderr and len(list((root / "run" / "clips").iterdir())) == 6

    rows = list(csv.DictReader(io.StringIO(foley("table", root / "run", "-f", "csv").stdout)))
    right, late = (
        next(r for r in rows if (r["row"], r["measure"]) == (name, "env"))
        for name in ("right", "late")
    )
    assert float(right["value"]) > float(late["value"])
    assert (right["clips"], late["clips"]) == ("6", "5")
    shown = foley("table", root / "run").stdout
    assert "own sound" in shown and "late − right" in shown and "…" not in shown
    foley("table", root / "run", "-o", root / "t.csv")
    assert (root / "t.csv").read_text().startswith("variant,row,measure")
    foley("table", root / "run", "-o", root / "t.tex")
    assert r"\toprule" in (root / "t.tex").read_text()
    foley("table", root / "run", "-f", "latex", "-o", root / "t.tex", check=6)
    by_category = foley("table", root / "run", "--by-category", "env", "-f", "markdown").stdout
    assert "| wood | 2" in by_category  # c5 is wood, and has no late sound
    foley("figure", "categories", root / "run", "--measure", "env", "-o", root / "c.png")
    assert (root / "c.png").read_bytes()[:4] == b"\x89PNG"
    foley("table", root / "run", "3", check=2)  # two models for three rows
    as_paper = foley("table", root / "run", "1", "--as", "ours=right,Diff-Foley=late",
                     "-f", "markdown").stdout  # fmt: skip
    assert "| here: ours (right) |" in as_paper


def test_what_cannot_be_is_said_in_two_lines(root, tmp_path) -> None:
    foley("run", root / "set", "--models", "right=nowhere", "-o", tmp_path / "run", check=4)
    assert not (tmp_path / "run").exists()
    foley("run", root / "set", "--models", "a b", check=2)
    foley("table", tmp_path, check=2)
    foley("run", root / "set", "--models", ",", "-o", tmp_path / "run", check=2)
    done = foley("study", "export", "--a", tmp_path / "a", "--b", tmp_path / "b",
                 "-o", tmp_path / "s.html", check=2)  # fmt: skip
    assert "is not a folder" in done.stderr


def test_answers_are_counted_as_json(tmp_path) -> None:
    votes = {f"c{n}": {"choice": "b", "left": "ab"[n % 2]} for n in range(8)}
    answer = {"study": "s", "person": "p", "votes": votes}
    (tmp_path / "p.json").write_text(json.dumps(answer))
    told = json.loads(foley("study", "tally", tmp_path, "--json").stdout)
    assert told["votes"] == {"a": 0, "b": 8} and told["p"] == pytest.approx(2 / 2**8)


def test_films_are_judged_by_what_is_named_only(tmp_path) -> None:
    film = write_film(tmp_path / "a.mp4", (np.zeros((32, 32, 3), np.uint8) for _ in range(5)), 5)
    assert "fvd_i3d, is_c3d, clipsim" in foley("film", film, "--measures", "fid", check=2).stderr
    assert "--words" in foley("film", film, "--measures", "clipsim", check=2).stderr
