"""Pairs: every two clips twice, each the target once, on either side, with the target's sound."""

import csv
from pathlib import Path

import pytest

from foleycli.clip.probe import probe
from foleycli.errors import UsageError
from foleycli.evaluate.pairs import GROUPS, read_pairs
from foleycli.frames.decode import decode_pictures
from foleycli.train.pair_films import LabelledClip, make_pairs, plan_pairs, read_labels
from tests.films import still, write_film


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_film(folder / "dark.mp4", still(2.0, level=30), 24)
    write_film(folder / "light.mp4", still(1.6, level=220), 24)
    path = folder / "clips.csv"
    path.write_text(
        "file,label,category\ndark.mp4,dog barking,animals\nlight.mp4,piano,music\n", "utf-8"
    )
    return path


def test_the_layout_and_both_sides(table, tmp_path):
    made = list(make_pairs(read_labels(table), tmp_path / "pairs"))
    assert [group for group, _ in made] == ["inter_class", "inter_class"]
    assert {row.target_position for _, row in made} == {"left", "right"}
    assert {row.label for _, row in made} == {"dog barking", "piano"}
    found = read_pairs(tmp_path / "pairs")
    assert [row for _, row, _ in found] == [row for _, row in made]
    with (tmp_path / "pairs" / "inter_class" / "metadata.csv").open() as file:
        line = next(csv.DictReader(file))
    target, pair = line["target_file"][:-4], line["paired_file"][:-4]
    assert line["file_name"] == f"{target}_000000_{pair}_000000_{line['target_position']}"


def test_the_target_stands_on_its_side(table, tmp_path):
    for _, row in make_pairs(read_labels(table), tmp_path / "pairs"):
        film = tmp_path / "pairs" / "inter_class" / "mixed" / f"{row.file_name}.mp4"
        picture = next(iter(decode_pictures(probe(film))))
        left, right = picture.luma[:, :70].mean(), picture.luma[:, 90:].mean()
        dark_left = (row.label == "dog barking") == (row.target_position == "left")
        assert (left < right) == dark_left
        assert row.seconds == 1.56  # 38 frames at 24 a second, whole ones at 25


def test_pairs_of_one_category_and_a_limit():
    clips = [LabelledClip(Path(f"{i}.mp4"), f"label {i}", "ab"[i % 2]) for i in range(6)]
    planned = plan_pairs(clips)
    groups = [group for group, *_ in planned]
    assert groups.count(GROUPS[0]) == 18 and groups.count(GROUPS[1]) == 12
    assert plan_pairs(clips) == planned
    assert len(plan_pairs(clips, most=5)) == 10


def test_what_is_no_table_or_folder_is_said(tmp_path):
    (tmp_path / "clips.csv").write_text("name\nx\n")
    with pytest.raises(UsageError, match="file"):
        read_labels(tmp_path / "clips.csv")
    with pytest.raises(UsageError, match="no pairs"):
        read_pairs(tmp_path)
