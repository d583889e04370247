"""What is said to be played is what is decoded and heard."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from foleycli.config import GenerateConfig
from foleycli.library import place
from foleycli.sources.library import LibrarySource
from foleycli.sources.played import find_played, find_unheard, say_played
from foleycli.spot.cues import NO_RECORDING, Cue
from foleycli.spot.features import Features

CONFIG = GenerateConfig(model="library")


def cue(start, what, kind="hit", duration=1, **more):
    times = {"start": Fraction(start), "duration": Fraction(duration)}
    return Cue(**times, kind=kind, what=what, **more)


CUES = [
    cue("0.2", "door slam"),
    cue("0.9", "door slam"),
    cue("1.1", "wood hit, glass"),
    cue("2", "door slam"),
    cue("0.5", "rain, wind", "bed", 3),
    cue("0", "water drip", "bed", "0.75"),
    cue("0.75", "water drip", "bed", "0.25", level_db=-6.0),
    cue("1", "theremin"),
    cue("9", "door slam"),
]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder of somebody's own recordings: three slams and a wind."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    for number in range(3):
        slam = 1e-4 * rng.standard_normal(40_000)
        slam[4800:20_000] += 0.3 * np.exp(-np.arange(15_200) / (500 + 400 * number))
        soundfile.write(folder / f"door slam {number}.wav", slam, 48_000)
    soundfile.write(folder / "wind.flac", 0.1 * rng.standard_normal(4 * 48_000), 48_000)
    return folder


@pytest.fixture(params=["shipped", "own"])
def source(request, own, tmp_path, monkeypatch):
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path))
    return LibrarySource(own if request.param == "own" else None)


@pytest.fixture
def decoded(monkeypatch):
    """Every recording whose samples are asked for, in that order."""
    asked, read = [], place._decode

    def note(recording):
        asked.append(recording)
        return read(recording)

    monkeypatch.setattr(place, "_decode", note)
    return asked


def features(seconds=4):
    nothing = np.zeros(0, np.float32)
    return Features.assemble(np.zeros((1, 384), np.float32), nothing, nothing, Fraction(seconds))


@pytest.mark.parametrize("seed", range(6))
def test_what_is_said_is_what_is_decoded(source, decoded, seed):
    config = replace(CONFIG, seed=seed)
    played = find_played(source, features(), CUES, config)
    assert played is not None and not decoded
    list(source.render(features(), CUES, config))
    assert {one for recordings in played for one in recordings or ()} == set(decoded)
    hits = [cue for cue in CUES if cue.what == "door slam"]
    alone = find_played(source, features(), hits, config)
    decoded.clear()
    list(source.render(features(), hits, config))
    assert [one for recordings in alone or () for one in recordings or ()] == decoded


def test_what_there_is_none_of_is_told_from_what_comes_after_the_end(source):
    played = find_played(source, features(), CUES, CONFIG)
    assert played is not None and played[7] == () and played[8] is None
    assert find_unheard(CUES, played)[-1] == "theremin"
    said = say_played(CUES, played)
    assert (said[7], said[8]) == (NO_RECORDING, "")
    assert len(played[0] or ()) == 1 and (played[0] or ())[0].label in said[0]


def test_touching_beds_are_one_sound_and_each_cue_says_its_own_span(source):
    played = find_played(source, features(), CUES, CONFIG) or []
    assert bool(played[5]) == bool(played[6])  # of the drip, also where a pause falls


def test_words_to_avoid_count(source):
    cues = [cue("0.2", "wind", "bed", 2)]
    assert find_unheard(cues, find_played(source, features(), cues, CONFIG)) == ()
    avoiding = replace(CONFIG, negative_prompt="wind")
    played = find_played(source, features(), cues, avoiding) or []
    assert all(one.label != "wind" for one in played[0] or ())


def test_a_source_that_makes_its_sounds_plays_none():
    class Made:
        name, fingerprint, looking = "made", "", 0.0
        own_speed = None

    assert find_played(Made(), features(), CUES, CONFIG) is None  # type: ignore[arg-type]
    assert set(say_played(CUES, None)) == {""} and find_unheard(CUES, None) == ()
