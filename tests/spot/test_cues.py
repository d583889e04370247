"""A cue sheet survives the file, says which line is wrong, and draws the features it stands for."""

import csv
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from foleycli.config import FEATURES
from foleycli.errors import MediaError
from foleycli.spot.cues import NO_RECORDING, Cue, read_cues, write_cues
from foleycli.spot.features import Features, row_count
from foleycli.spot.render import render_features

HIT = Cue(
    start=Fraction(81, 64), duration=Fraction(1, 2), kind="hit", what="door slam", level_db=-6
)
BED = Cue(start=Fraction(2), duration=Fraction(3, 2), kind="bed", what="heavy rain")
STEP = Cue(
    start=Fraction(3),
    duration=Fraction(1, 2),
    kind="hit",
    what="boot step",
    layer="feet",
    surface="gravel",
    pan=-0.35,
    distance=4.5,
    evidence="left foot lands, gravel .6",
    recording="footsteps_012",
)


def test_a_sheet_comes_back_exactly(tmp_path):
    sheet = tmp_path / "cues.csv"
    write_cues(sheet, [HIT, BED, STEP])
    assert read_cues(sheet) == [HIT, BED, STEP]


def test_a_sheet_by_hand_needs_only_start_and_words(tmp_path):
    sheet = tmp_path / "cues.csv"
    sheet.write_text("start,what\n2.5,glass breaking\n1,door\n")
    cues = read_cues(sheet)
    assert [(cue.start, cue.kind, cue.duration) for cue in cues] == [(1, "hit", 1), (2.5, "hit", 1)]


@pytest.mark.parametrize(
    "line",
    [
        "x,1,hit,door,0,1",
        "1,1,thud,door,0,1",
        "-1,1,hit,door,0,1",
        "1,0,hit,door,0,1",
        "1,1,hit,,0,1",
        "1,1,hit,door,nan,1",
        "1,1,hit,door,400,1",
        "1e400000,1,hit,door,0,1",
    ],
)
def test_a_wrong_line_is_named(tmp_path, line):
    sheet = tmp_path / "cues.csv"
    sheet.write_text(f"start,duration,kind,what,level_db,confidence\n0,1,hit,ok,0,1\n{line}\n")
    with pytest.raises(MediaError, match="line 3"):
        read_cues(sheet)


@pytest.mark.parametrize("column, value", [("layer", "legs"), ("pan", "2"), ("distance", "-1")])
def test_a_layer_or_place_that_cannot_be_is_named(tmp_path, column, value):
    sheet = tmp_path / "cues.csv"
    sheet.write_text(f"start,what,{column}\n1,door,{value}\n")
    with pytest.raises(MediaError, match="line 2"):
        read_cues(sheet)


def test_a_sheet_in_another_encoding_is_refused_with_the_remedy(tmp_path):
    sheet = tmp_path / "cues.csv"
    sheet.write_bytes("start,what\n1,café door\n".encode("cp1252"))
    with pytest.raises(MediaError, match="CSV UTF-8"):
        read_cues(sheet)


def test_what_will_be_played_is_a_remark_and_pins_nothing(tmp_path):
    sheet, pinned = tmp_path / "cues.csv", replace(HIT, recording="wood_012~7")
    write_cues(sheet, [HIT, BED, pinned], remarks=["dog_3: dog bark", NO_RECORDING, "x"])
    said = [row["recording"] for row in csv.DictReader(sheet.read_text().splitlines())]
    assert said == ["(dog_3: dog bark)", "(no recording of that)", "wood_012~7"]
    assert read_cues(sheet) == sorted([HIT, BED, pinned], key=lambda cue: cue.start)


def test_rows_cover_the_duration():
    assert [row_count(Fraction(d)) for d in ("1/24", "8", "8.1")] == [1, 32, 33]


def test_a_hit_is_one_point_and_a_bed_a_level():
    features = render_features([HIT, BED], Fraction(4))
    assert features.rows.shape == (16, FEATURES.size)
    assert np.flatnonzero(features.hits).tolist() == [81]
    assert features.hits[81] == pytest.approx(10 ** (-6 / 20))
    assert np.all(features.activity[128:224] == 1) and not features.activity[224:].any()
    lengths = np.linalg.norm(features.what, axis=1)
    assert lengths[[5, *range(8, 14)]] == pytest.approx(1)  # soft or loud, it is asked for
    assert not lengths[14:].any() and not lengths[:5].any()


def test_of_two_cues_the_louder_and_the_surer_weighs_more():
    soft, unsure = replace(BED, level_db=-20), replace(BED, confidence=0.1)
    loud = replace(BED, what="dog bark")
    alone, other = (render_features([cue], Fraction(4)).what[9] for cue in (loud, BED))
    for weak in (soft, unsure):
        mixed = render_features([loud, weak], Fraction(4)).what[9]
        np.testing.assert_allclose(mixed, (alone + 0.1 * other) / 1.1, rtol=1e-4, atol=1e-6)


def test_shots_are_the_stretches_between_cuts():
    features = Features(np.zeros((8, 512), np.float32), Fraction(2), (Fraction(1, 2),))
    assert features.shots() == [(0, Fraction(1, 2)), (Fraction(1, 2), 2)]
