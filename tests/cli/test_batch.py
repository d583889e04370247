"""`foley batch` as it is typed."""

import json

import pytest

from foleycli.timeline import batch
from tests.films import strikes, write_film
from tests.timeline.clicks import Clicks


@pytest.fixture
def films(tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "_source", lambda job: Clicks())
    monkeypatch.setattr(batch, "source_fingerprint", lambda config: Clicks.fingerprint)
    folder = tmp_path / "films"
    folder.mkdir()
    for number in range(2):
        write_film(folder / f"{number}.mp4", strikes([0.2], 0.5))
    return folder


def test_a_plan_makes_nothing(foley, films, tmp_path) -> None:
    code, lines, _ = foley("batch", films, "-o", tmp_path / "out", "--dry-run")
    assert code == 0 and len(lines) == 3 and "about" in lines[-1]
    assert not (tmp_path / "out").exists()


def test_one_bad_clip_is_exit_code_5_and_named(foley, films, tmp_path) -> None:
    (films / "bad.mp4").write_bytes(b"bad")
    code, lines, errors = foley("batch", films, "-o", tmp_path / "out", "--json")
    assert code == 5 and "bad.mp4" in errors
    assert [json.loads(line)["state"] for line in lines] == ["made", "made", "failed"]
    code, lines, _ = foley("batch", films, "-o", tmp_path / "out", "--json")
    assert code == 5
    assert [json.loads(line)["state"] for line in lines] == ["kept", "kept", "failed"]


def test_ctrl_c_says_so_and_ends_with_130(foley, films, tmp_path, monkeypatch) -> None:
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "do_job", interrupted)
    code, _, errors = foley("batch", films, "-o", tmp_path / "out")
    assert code == 130 and "interrupted" in errors and "Traceback" not in errors
