"""``--source``: each thing has the times at which it moves itself; what is not there is silent."""

import logging

import numpy as np
import pytest
import soundfile

from foleycli.clip.probe import probe
from foleycli.config import GenerateConfig
from foleycli.errors import UsageError
from foleycli.frames.decode import decode_pictures
from foleycli.generate import generate, watch
from foleycli.sight.sightings import Person, Sighting, Thing
from foleycli.sources.open import open_source
from foleycli.spot.cues import Cue
from foleycli.spot.encode import Encoder, encode_video
from foleycli.spot.scene import witness_names
from foleycli.spot.select import (
    WINDOWS,
    boxes_of,
    check_cues,
    cues_of,
    cut_out,
    find_asked,
    name_classes,
)
from foleycli.spot.what import Seer
from tests.films import strikes, write_film

DOG, PIANO = "dog barking", "piano"
LEFT, RIGHT = (0.6, 2.2), (1.4, 3.2)  # seconds at which either half strikes
SECONDS = 4.0


class Colours(Seer):
    """Sees a terrier in what is red, a piano in what is blue; a window of both is neither."""

    def classify(self, frames):
        names = list(witness_names()[:1000])
        classes = [names.index("Border terrier"), names.index("grand piano")]
        found = np.full((len(frames), 1000), 1e-5, np.float32)
        red, _, blue = np.moveaxis(frames.astype(np.float32), 3, 0).mean(axis=(2, 3))
        found[:, classes[0]] = np.clip((red - blue) / 60, 0, 1)
        found[:, classes[1]] = np.clip((blue - red) / 60, 0, 1)
        return found


def tinted(frames, channel):
    for frame in frames:
        frame = frame[:, 80:240].copy()
        frame[..., channel] //= 3
        yield frame


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    halves = zip(tinted(strikes(LEFT, SECONDS), 2), tinted(strikes(RIGHT, SECONDS), 0), strict=True)
    frames = (np.concatenate(both, axis=1) for both in halves)
    return write_film(tmp_path_factory.mktemp("films") / "two.mp4", frames)


@pytest.fixture(autouse=True)
def colours(monkeypatch):
    monkeypatch.setattr(
        "foleycli.spot.encode.Seer.classify", lambda self, frames: Colours.classify(self, frames)
    )


def hits(film, words, name):
    features = encode_video(decode_pictures(probe(film)), Encoder.open(), words)
    return np.flatnonzero(features.selections[name].hits >= 0.4) / 64


def near(found, times):
    return [any(abs(t - f) < 0.15 for f in found) for t in times]


@pytest.mark.parametrize("words", [(DOG, PIANO), (PIANO, DOG)])
def test_words_have_the_times_of_what_they_name(film, words):
    for name, own, other in ((DOG, LEFT, RIGHT), (PIANO, RIGHT, LEFT)):
        found = hits(film, words, name)
        assert all(near(found, own))
        assert not any(near(found, other))


def test_one_source_alone_is_selected_too(film):
    found = hits(film, (DOG,), DOG)
    assert all(near(found, LEFT))
    assert not any(near(found, RIGHT))


def test_what_is_not_there_is_silent_and_said(film, tmp_path, caplog):
    config = GenerateConfig(source=("lion roaring", DOG), stems=True, model="library")
    with caplog.at_level(logging.WARNING, "foleycli"):
        result = generate(film, tmp_path / "out.mp4", config)
    assert "'lion roaring' is seen" in caplog.text
    lion, dog, mix = (
        soundfile.read(tmp_path / name, dtype="int32")[0]
        for name in ("out_01_lion-roaring.wav", "out_02_dog-barking.wav", "out.wav")
    )
    assert not lion.any()
    assert dog.any()
    assert np.array_equal(dog, mix)
    assert {cue.evidence for cue in result.cues} == {f"asked for: {DOG}"}


def test_hits_are_panned_to_where_they_are(film):
    config = GenerateConfig(source=(DOG, PIANO), model="library")
    source = open_source(config)
    cues = find_asked(watch(source, probe(film), 0, None, config), config)
    pans = {
        name: [cue.pan for cue in cues_of(cues, name) if cue.kind == "hit"] for name in (DOG, PIANO)
    }
    assert max(pans[DOG], default=-1) < 0
    assert min(pans[PIANO], default=1) > 0


def test_words_that_no_map_knows_follow_the_whole_picture(film):
    odd = "quiddity of the notional"
    features = encode_video(decode_pictures(probe(film)), Encoder.open(), (odd,))
    assert features.selections[odd].how in ("whole", "seen")
    assert features.selections[odd].hits.any()


def test_an_edited_cue_that_belongs_to_no_source_is_refused():
    cue = Cue(start=0, duration=1, kind="hit", what="glass breaking")
    with pytest.raises(UsageError, match="glass breaking"):
        check_cues([cue], GenerateConfig(source=(DOG,)))


def test_classes_are_named_by_words():
    weights, named = name_classes((DOG, PIANO))
    names = list(witness_names()[:1000])
    dogs = names.index("Chihuahua"), names.index("Mexican hairless") + 1  # ImageNet's dogs
    assert dogs[0] <= int(weights[0].argmax()) < dogs[1]
    assert "piano" in names[int(weights[1].argmax())]
    assert named[0] > 0.5


def test_windows_are_parts_of_the_picture():
    frame = np.zeros((224, 224, 3), np.uint8)
    frame[:, 112:] = 200
    parts = cut_out(frame)
    assert parts.shape == (len(WINDOWS), 224, 224, 3)
    means = parts.mean(axis=(1, 2, 3))
    assert means[WINDOWS.index((0.0, 0.0, 0.5, 1.0))] == 0
    assert means[WINDOWS.index((0.5, 0.0, 1.0, 1.0))] == 200


def test_feet_and_things_are_found_by_their_boxes():
    joints = np.zeros((17, 3), np.float32)
    joints[15] = joints[16] = (0.25, 0.9, 0.9)
    person = Person(joints, 0.9, (0.1, 0.1, 0.4, 1.0))
    dog = Thing("dog", 0.9, (0.7, 0.5, 0.9, 0.9))
    seen = (Sighting(0, things=(dog,), people=(person,)),)
    times = np.zeros(1)
    feet = boxes_of("footsteps on gravel", times, seen)[0]
    assert feet[8, 4] == 1 and feet[:, 10:].sum() == 0 and feet[:5].sum() == 0
    barks = boxes_of("dog barking", times, seen)[0]
    assert barks[6, 12] == 1 and barks[:, :8].sum() == 0
    assert boxes_of("thunder", times, seen) is None
