"""The spotting sheet of a reel, and back by its ids."""

import csv
from fractions import Fraction

import pytest
from typer.testing import CliRunner

from foleycli.cli.main import app
from foleycli.config import GenerateConfig
from foleycli.errors import MediaError
from foleycli.spot.cues import read_cues
from foleycli.timeline.files import read_timeline, write_timeline
from foleycli.timeline.reel import plan_reel, sound_reel
from foleycli.timeline.spotting import read_rows, spotting_of, take_back, write_spotting
from tests.films import strikes, write_film
from tests.timeline.clicks import Clicks
from tests.timeline.test_reconform import NTSC, cut


@pytest.fixture
def reel(tmp_path):
    for name in ("one", "two"):
        write_film(tmp_path / f"{name}.mp4", strikes([0.5, 1.5], 3), NTSC)
    write_timeline(cut(("one", 10, 30), ("two", 8, 31)), tmp_path / "cut.fcpxml")
    out = tmp_path / "cut_sfx.fcpxml"
    plan = plan_reel(tmp_path / "cut.fcpxml", out, roots=[tmp_path], handles=4)
    sound_reel(plan, GenerateConfig(air=False), Clicks())
    return out


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def rewrite(path, rows):
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)


def sheet_of(reel):
    return spotting_of(reel, read_timeline(reel))


def test_rows_say_where_events_lie_and_come_back_exactly(tmp_path, reel) -> None:
    sheet = sheet_of(reel)
    write_spotting(sheet, tmp_path / "s.csv")
    rows = rows_of(tmp_path / "s.csv")
    assert [row["shot"] for row in rows] == ["1", "2"]
    timeline, seconds = sheet.timeline, []
    for shot in sheet.journal.shots:
        (cue,) = read_cues(sheet.folder / f"{shot.name}.csv")
        seconds.append(shot.place + cue.start - timeline.start_seconds)
    assert [row["first"] for row in rows] == [str(timeline.timecode(at)) for at in seconds]
    before = [path.read_bytes() for path in sorted(sheet.folder.glob("*.csv"))]
    assert take_back(sheet_of(reel), tmp_path / "s.csv") == (0, 0, 0)
    assert [path.read_bytes() for path in sorted(sheet.folder.glob("*.csv"))] == before


def test_edits_come_back_by_their_ids(tmp_path, reel) -> None:
    sheet = sheet_of(reel)
    write_spotting(sheet, tmp_path / "s.csv")
    rows = rows_of(tmp_path / "s.csv")
    first = sheet.timeline.timecode(Fraction(1))
    added = {**rows[1], "id": "", "what": "door slam", "first": str(first + 20), "last": ""}
    moved = {**rows[0], "what": "glass clink", "first": str(first)}
    rewrite(tmp_path / "s.csv", [added, moved])
    said = CliRunner().invoke(app, ["cues", str(reel), "--from", str(tmp_path / "s.csv")])
    assert said.exit_code == 0, said.output
    assert "1 events changed, 1 new, 1 gone" in said.output and "foley timeline" in said.output
    one, two = sheet.journal.shots
    (cue,) = read_cues(sheet.folder / f"{one.name}.csv")
    assert cue.what == "glass clink"
    assert abs(one.place + cue.start - sheet.timeline.start_seconds - 23 / NTSC) < Fraction(1, 1000)
    assert [c.what for c in read_cues(sheet.folder / f"{two.name}.csv")] == ["door slam"]
    with pytest.raises(MediaError, match="has no event"):  # it was changed since
        take_back(sheet_of(reel), tmp_path / "s.csv")


def test_a_workbook_has_pictures_and_comes_back(tmp_path, reel) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "s.xlsx"
    write_spotting(sheet_of(reel), path)
    book = openpyxl.load_workbook(path)
    assert len(book.active._images) == 2
    book.active["I2"] = "glass clink"
    assert book.active["I1"].value == "what"
    book.save(path)
    assert next(row["what"] for row in read_rows(path)) == "glass clink"
    assert take_back(sheet_of(reel), path) == (1, 0, 0)


def test_a_page_is_a_pdf(tmp_path, reel) -> None:
    pytest.importorskip("reportlab")
    said = CliRunner().invoke(app, ["cues", str(reel), "-o", str(tmp_path / "s.pdf")])
    assert said.exit_code == 0, said.output
    assert (tmp_path / "s.pdf").read_bytes().startswith(b"%PDF")
    assert "2 events in 2 shots" in said.output
