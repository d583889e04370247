"""`foley shots` and `foley cues --from` as they are typed."""

import csv

from foleycli.timeline.files import read_timeline
from tests.films import still, strikes, write_film


def test_shots_are_printed_and_exported(foley, tmp_path) -> None:
    film = write_film(tmp_path / "two.mp4", [*still(1, level=20), *strikes([0.5], 1)])
    code, lines, _ = foley("shots", film)
    rows = list(csv.DictReader(lines))
    assert code == 0
    assert [(row["start"], row["end_frame"]) for row in rows] == [
        ("0.000000", "24"),
        ("1.000000", "48"),
    ]
    for suffix in (".edl", ".fcpxml", ".csv"):
        code, _, _ = foley("shots", film, "-o", tmp_path / f"shots{suffix}")
        assert code == 0
    assert len(read_timeline(tmp_path / "shots.fcpxml").tracks[0].events) == 2
    assert foley("shots", film, "-o", tmp_path / "shots.doc")[0] == 2


def test_markers_become_a_sheet(foley, tmp_path) -> None:
    film = write_film(tmp_path / "film.mp4", strikes([0.5], 1))
    markers = tmp_path / "markers.edl"
    markers.write_text(
        "TITLE: film\n\n"
        "001  001      V     C        00:00:00:12 00:00:00:13 00:00:00:12 00:00:00:13  \n"
        " |C:ResolveColorBlue |M:door slam |D:1\n"
    )
    code, lines, _ = foley("cues", film, "--from", markers)
    assert code == 0
    assert lines[1].startswith("0.500000,1.000000,hit,door slam,0.0,1.00")
