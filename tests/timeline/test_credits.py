"""Whose sounds are heard: of a clip, of a reel, of a model."""

import json
from fractions import Fraction

import pytest
from typer.testing import CliRunner

from foleycli.cli.main import app
from foleycli.config import GenerateConfig
from foleycli.errors import MediaError, ModelError
from foleycli.generate import generate
from foleycli.library.credits import Credit, end_credits, read_credits
from foleycli.library.table import RECORDINGS, SHIPPED
from foleycli.spot.cues import Cue
from foleycli.timeline.credits import PACKAGE, SETS, find_credits, training_sets
from tests.films import strikes, write_film

CUE = Cue(start=Fraction(0), duration=Fraction(1), kind="hit", what="dog barking")


def said(*words: str) -> str:
    result = CliRunner().invoke(app, ["credits", *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_clip_says_which_recordings_are_heard(tmp_path) -> None:
    write_film(tmp_path / "one.mp4", strikes([0.5], 1), Fraction(25))
    again = Cue(start=Fraction(1, 2), duration=Fraction(1, 2), kind="hit", what="gunshot")
    config = GenerateConfig(model="library", air=False)
    take = generate(tmp_path / "one.mp4", config=config, cues=[CUE, again]).takes[0]
    heard = [cue["heard"] for cue in json.loads(take.recipe.read_text())["cues"]]
    assert all(heard) and heard[0] != heard[1]
    found = find_credits(str(take.out))
    assert {one.id for one in found.credits} == {one for ids in heard for one in ids}
    assert all(one.licence and one.label for one in found.credits) and not found.learned
    assert heard[0][0] in said(str(take.recipe))
    recipe = json.loads(take.recipe.read_text())
    for cue in recipe["cues"]:
        del cue["heard"]
    take.recipe.write_text(json.dumps(recipe))
    with pytest.raises(MediaError, match="does not say"):
        find_credits(str(take.out))


def test_a_model_says_what_it_learned_from(tmp_path) -> None:
    small = find_credits("small")
    assert small.learned and len(small.credits) == 2868
    library = find_credits("library")
    assert len(library.credits) == len(read_credits(SHIPPED / RECORDINGS))
    assert "2868 recordings learned from" in said("small").splitlines()[0]
    with pytest.raises(ModelError, match="no model"):
        find_credits("nothing")
    (tmp_path / "cut.edl").write_text("TITLE: x\n")
    with pytest.raises(MediaError, match="has no journal"):
        find_credits(str(tmp_path / "cut.edl"))
    assert len(said("small", "--end-credits").splitlines()) < 500
    said("small", "-o", str(tmp_path / "c.txt"))
    assert (tmp_path / "c.txt").read_text().count("\n") == 2870 + len(training_sets("small"))


def test_an_author_is_named_once_where_the_licence_asks() -> None:
    credits = [
        Credit("a", "door", "CC BY 4.0", "Ann", "", "pack"),
        Credit("b", "dog", "CC BY 4.0", "Ann", "", "pack"),
        Credit("c", "cat", "CC0 1.0", "Bob"),
        Credit("d", "cow", "CC0 (dataset CC-BY-3.0)", "", "", "set"),
    ]
    assert end_credits(credits) == [
        "Ann / pack (CC BY 4.0)",
        "unknown author / set (CC0 (dataset CC-BY-3.0))",
    ]


def test_every_file_of_weights_that_ships_says_what_it_learned_from() -> None:
    shipped = [
        path
        for path in PACKAGE.glob("*/*")
        if path.suffix in (".safetensors", ".onnx") and path.parent.name != "listeners"
    ]
    assert shipped
    for path in shipped:
        parts = [one for one in training_sets(path.parent.name) if path.name in one.part.split()]
        assert parts, f"{path} is in no row of {SETS.name}"
        assert all(one.set and one.what and one.licence and one.author for one in parts)


@pytest.mark.parametrize("name", ["small", "ear", "sight", "library"])
def test_a_model_lists_its_training_sets(name: str) -> None:
    found = find_credits(name)
    assert found.sets == training_sets(name) != ()
    text = said(name)
    assert all(one.set in text and one.licence in text for one in found.sets)
    if name == "ear":
        assert len(found.credits) > 50
        assert any("recordings" in one.label for one in found.credits)
    if name == "small":
        assert len(found.credits) == 2868
