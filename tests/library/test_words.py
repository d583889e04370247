"""Names of files and packs turn into words."""

from pathlib import PurePath

import pytest

from foleycli.library.words import label_words, name_words, split_compound
from foleycli.spot.text import stem


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("door slam 03", "door slam"),
        ("DoorSlamHeavy_02", "door slam heavy"),
        ("walk grass walk grass 4", "walk grass"),
        ("liddrop", "lid drop"),
        ("wineglass on musicstand", "wine glass music stand"),
        ("chopping 1a", "chopping"),
    ],
)
def test_label_words(label, words):
    assert label_words(label) == words


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("DOORWood_Heavy Slam_AB_XYZ.wav", "heavy slam door wood"),
        ("GUNRif_Burst Far_FOO.wav", "burst far gun rifle"),
        ("FEETHmn-INT_Boots On Gravel_AB_XYZ.wav", "boots gravel footsteps human"),
        ("METLMisc_Clank_AB_XYZ.wav", "clank metal"),
        ("HAIL_On Car Roof_AB_XYZ.wav", "car roof weather hail"),
        ("COMTelph_Old Dial_AB_XYZ.wav", "old dial communications telephone"),
        ("RAIN_Steady_AB_XYZ.wav", "steady rain"),
        ("WOOD_hit_hard.wav", "wood hit hard"),
        ("FOOTMisc_Walk_AB_XYZ.wav", "foot misc walk ab xyz"),  # no category
        ("Dogs/Big/bark01.wav", "bark dogs big"),
        ("KNOCK_KNOCK.wav", "knock"),  # capitals alone are no UCS name
    ],
)
def test_name_words(path, words):
    assert name_words(PurePath(path)) == words


def test_words_are_left_alone():
    assert split_compound("carpet") == ["carpet"]
    assert split_compound("xqzzkw") == ["xqzzkw"]


def test_stems_agree():
    assert stem("barking") == stem("barks") == stem("bark")
    assert stem("hitting") == stem("hit")
