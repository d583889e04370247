"""`foley cues` as it is typed: what sounds, why, and with which recording."""

import csv
import json

import pytest

from tests.films import strikes, write_film


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "shot.mp4", strikes([0.3, 0.9], 1.5))


def test_the_sheet_says_which_recording_will_be_played(foley, film):
    words = ("--prompt", "theremin; wood hit", "--model", "library")
    code, lines, errors = foley("cues", film, *words)
    rows = list(csv.DictReader(lines))
    assert code == 0 and errors.count("no recording of that: theremin") == 1
    said = {row["what"]: row for row in rows}
    assert said["theremin"]["recording"] == "(no recording of that)"
    assert said["wood impact"]["recording"].startswith("(wood_")
    assert said["wood impact"]["evidence"] == "asked for: wood hit"


def test_as_json_each_cue_has_its_layer_evidence_recording_and_confidence(foley, film):
    words = ("--prompt", "theremin; wood hit", "--model", "library", "--json", "-q")
    code, lines, errors = foley("cues", film, *words)
    said = json.loads(lines[0])
    assert code == 0 and not errors and said["unheard"] == ["theremin"]
    by_words = {cue["what"]: cue for cue in said["cues"]}
    theremin, wood = by_words["theremin"], by_words["wood impact"]
    assert (theremin["played"], theremin["remark"]) == ([], "no recording of that")
    assert set(wood["played"][0]) == {"id", "label"} and 0 < wood["confidence"] <= 1
    assert (wood["layer"], wood["evidence"]) == ("props", "asked for: wood hit")
    assert 0 < wood["start"] < 1.5 and wood["kind"] == "hit"


def test_another_seed_plays_others_and_the_sheet_says_which(foley, film):
    words = ("cues", film, "--prompt", "wood hit", "--model", "library", "--no-air", "--seed")
    sheets = [[row["recording"] for row in csv.DictReader(foley(*words, n)[1])] for n in range(6)]
    assert len({tuple(sheet) for sheet in sheets}) > 1
    assert sheets[0] == [row["recording"] for row in csv.DictReader(foley(*words, 0)[1])]


def test_a_model_that_makes_its_sounds_plays_no_recording(foley, film):
    code, lines, _ = foley("cues", film, "--prompt", "theremin", "--model", "small", "--json")
    said = json.loads(lines[0])
    assert code == 0 and not said["unheard"] and "played" not in said["cues"][0]
