"""Sound in a space, as a user asks for it: places, layers, rooms, and how they add up."""

import json
from fractions import Fraction
from typing import get_args

import av
import numpy as np
import pytest
import soundfile

import foleycli
from foleycli import config
from foleycli.config import GenerateConfig
from foleycli.errors import UsageError
from foleycli.highlight.stems import find_stems
from foleycli.library.place import place_cues
from foleycli.recipe import read_recipe
from foleycli.sources.open import open_source
from foleycli.sources.staged import sound_parts, split_cues
from foleycli.spot.cues import Cue, Layer
from foleycli.spot.features import Features
from foleycli.spot.stage import stage_cues
from foleycli.waveform.loudness import limit_peaks
from foleycli.waveform.space import to_mono
from foleycli.waveform.stems import sum_stems
from tests.films import strikes, write_film
from tests.timeline.clicks import Clicks

RATE = 48_000
DURATION = Fraction(5, 2)


@pytest.fixture(scope="module")
def library():
    return open_source(GenerateConfig(model="library"))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "strikes.mp4", strikes([0.75, 1.75], 2.5))


def hit(at, what="wood hit", pan=0.0, distance=0.0, layer="props"):
    return Cue(start=Fraction(at), duration=Fraction(1), kind="hit", what=what, layer=layer,
               pan=pan, distance=distance)  # fmt: skip


AIR = Cue(start=Fraction(0), duration=DURATION, kind="bed", what="room tone", layer="air")
CUES = [AIR, hit("1/2", pan=-0.8), hit("3/2", "metal hit", pan=0.8, distance=6.0, layer="hard")]


def sound_of(library, cues, cuts=(), **options):
    """(samples, channels) before the limiter."""
    asked = GenerateConfig(**{"channels": "stereo", "room": "off"} | options)
    empty = np.zeros(0)
    features = Features.assemble(np.zeros((0, 384)), empty, empty, DURATION, cuts)
    staged = sound_parts(library, features, split_cues(cues, asked), asked)
    return np.concatenate([sum_stems(block, staged.channels) for block in staged.blocks])


def level(sound):
    return 10 * np.log10(np.square(sound, dtype=np.float64).sum())


def pan_of(sound):
    """By equal power, from -1 to 1."""
    left, right = np.sqrt(np.square(sound, dtype=np.float64).sum(axis=0))
    return np.arctan2(right, left) / (np.pi / 4) - 1


def test_mono_near_and_dry_is_what_the_library_sounded_like_before_to_the_bit(
    film, library, tmp_path
):
    take = foleycli.generate(
        film, tmp_path / "a.mov", source=library, wav=True, cues=CUES, channels="mono",
        room="off", perspective=0,
    ).takes[0]  # fmt: skip
    plain = limit_peaks(place_cues(CUES, library.bank, DURATION), -2.0, RATE)
    wanted = np.rint(np.concatenate(list(plain)) * 2**23)
    made = soundfile.read(take.wav, dtype="int32")[0] >> 8
    assert np.array_equal(made, wanted)


@pytest.mark.parametrize("channels", ["stereo", "5.1"])
@pytest.mark.parametrize("loudness", [None, "ebu"])
def test_dry_stems_and_the_room_add_up_to_the_last_bit(film, library, tmp_path, channels, loudness):
    take = foleycli.generate(
        film, tmp_path / "a.mov", source=library, stems=True, cues=CUES, channels=channels,
        room="large", loudness=loudness,
    ).takes[0]  # fmt: skip
    read = {
        path.stem: soundfile.read(path, dtype="int32", always_2d=True)[0].astype(np.int64)
        for path in tmp_path.glob("*.wav")
    }
    whole = read.pop("a")
    assert set(read) == {"a_props", "a_hard", "a_air", "a_room"}
    assert all(stem.any() for stem in read.values())
    assert np.array_equal(sum(read.values()), whole)
    assert {len(stem) for stem in read.values()} == {round(DURATION * RATE)}
    if channels == "5.1":
        assert not whole[:, 3].any() and read["a_air"][:, 4].any()
    assert foleycli.redo(take.recipe, tmp_path / "again.mov")[1]


def test_six_channels_go_into_the_film_in_their_order_and_split_into_mono_waves(
    film, library, tmp_path
):
    foleycli.generate(film, tmp_path / "a.mov", source=library, cues=CUES[1:2], channels="5.1",
                      split=True)  # fmt: skip
    with av.open(str(tmp_path / "a.mov")) as container:
        assert container.streams.audio[0].layout.name.startswith("5.1")
    whole = soundfile.read(tmp_path / "a.wav", dtype="int32")[0]
    for column, speaker in enumerate(("L", "R", "C", "LFE", "Ls", "Rs")):
        one = soundfile.read(tmp_path / f"a.{speaker}.wav", dtype="int32")[0]
        assert one.ndim == 1 and np.array_equal(one, whole[:, column])


@pytest.mark.parametrize("width", [0.0, 0.5, 1.0])
def test_a_hit_stands_where_its_cue_says_and_only_as_wide_as_asked(library, width) -> None:
    for pan in (-0.8, 0.3):
        sound = sound_of(library, [hit(1, pan=pan)], width=width)
        assert pan_of(sound) == pytest.approx(pan * width, abs=0.01)
    assert level(sound) == pytest.approx(level(sound_of(library, [hit(1)])), abs=0.01)


def test_a_bed_follows_its_thing(library) -> None:
    first = Cue(start=Fraction(0), duration=Fraction(1), kind="bed", what="car engine",
                layer="hard", pan=-1.0)  # fmt: skip
    second = Cue(start=Fraction(1), duration=Fraction(1), kind="bed", what="car engine",
                 layer="hard", pan=1.0)  # fmt: skip
    sound = sound_of(library, [first, second], width=1.0)
    assert pan_of(sound[: RATE // 2]) < -0.95 and pan_of(sound[3 * RATE // 2 : 2 * RATE]) > 0.95
    assert abs(pan_of(sound[RATE - 2_400 : RATE + 2_400])) < 0.5


def test_twice_as_far_is_6_db_less_at_full_perspective_and_duller(library) -> None:
    near, far, none = (
        sound_of(library, [hit(1, distance=d, layer="hard")], perspective=p)
        for d, p in ((6.0, 1.0), (12.0, 1.0), (12.0, 0.0))
    )
    assert 5.5 < level(near) - level(far) < 9
    assert np.array_equal(near, none)  # 6 m is where it has its usual level
    treble = [np.abs(np.fft.rfft(sound[:, 0]))[20_000:].sum() for sound in (near, far)]
    assert 20 * np.log10(treble[0] / treble[1]) > level(near) - level(far) + 1


def test_air_is_wide_and_its_mono_sum_loses_less_than_1_db(library) -> None:
    sound = sound_of(library, [AIR])
    likeness = np.corrcoef(sound[:, 0], sound[:, 1])[0, 1]
    assert 0.3 < likeness < 0.95
    assert -1 < level(to_mono(sound)) - level(sound) < 1
    assert level(sound) == pytest.approx(level(sound_of(library, [AIR], channels="mono")), abs=0.5)


def test_layers_that_are_not_asked_for_are_silent(film, library, tmp_path) -> None:
    result = foleycli.generate(film, tmp_path / "a.mov", source=library, cues=CUES,
                               layers=["hard"])  # fmt: skip
    assert [cue.layer for cue in result.cues] == ["hard"]
    with pytest.raises(UsageError, match="wings"):
        GenerateConfig(layers=("wings",))
    assert GenerateConfig(layers="feet,air").layers == ("feet", "air")


def test_a_model_of_one_sound_has_no_layers(film, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Features, "says_what", False)
    with pytest.raises(UsageError, match="--layers"):
        foleycli.generate(film, tmp_path / "a.mov", source=Clicks(), layers=["feet"])


def test_one_waveform_stands_where_most_of_it_comes_from() -> None:
    sound = sound_of(Clicks(), [hit(1, pan=0.6)], width=1.0)
    assert pan_of(sound) == pytest.approx(0.6, abs=0.01)


def test_an_impulse_of_ones_own_answers(film, library, tmp_path) -> None:
    impulse = np.zeros(RATE)
    impulse[[0, RATE // 2]] = 1.0, 0.7
    soundfile.write(tmp_path / "room.wav", impulse, RATE, subtype="FLOAT")
    options = {"impulse": str(tmp_path / "room.wav"), "channels": "mono", "stems": True}
    foleycli.generate(film, tmp_path / "a.mov", source=library, cues=[hit("1/2")], **options)
    dry, room = (soundfile.read(tmp_path / f"a_{part}.wav")[0] for part in ("props", "room"))
    assert np.argmax(np.abs(room)) - np.argmax(np.abs(dry)) == RATE // 2


def test_what_goes_on_over_a_cut_does_not_jump_to_the_other_side() -> None:
    cuts = (Fraction(1),)
    hits = [hit("4/5", pan=-1.0), hit("5/4", pan=1.0), hit("9/4", pan=1.0)]
    assert [cue.pan for cue in stage_cues(hits, cuts)] == [-1.0, -0.5, 1.0]
    other = [hits[0], hit("5/4", "glass breaking", pan=1.0)]
    assert [cue.pan for cue in stage_cues(other, cuts)] == [-1.0, 1.0]


def test_recipes_from_before_are_made_as_they_were(film, library, tmp_path) -> None:
    take = foleycli.generate(
        film, tmp_path / "a.mov", source=library, cues=CUES, channels="mono", room="off",
        perspective=0,
    ).takes[0]  # fmt: skip
    stated = json.loads(take.recipe.read_text())
    for name in ("channels", "width", "perspective", "room", "impulse", "layers", "split"):
        del stated["config"][name]
    take.recipe.write_text(json.dumps(stated))
    assert read_recipe(take.recipe).config.channels == "mono"
    assert foleycli.redo(take.recipe, tmp_path / "b.mov")[1]


def test_layers_are_named_once() -> None:
    assert get_args(Layer)[:-1] == config.LAYERS


def test_stems_and_channels_beside_their_sum_are_taken_once_to_balance(tmp_path) -> None:
    for name in ("sfx", "sfx_feet", "sfx_room", "sfx.L", "sfx.R", "sfx_room.L", "DX"):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(8), RATE)
    found = find_stems(tmp_path)
    assert [path.stem for path in found["effects"]] == ["sfx_feet", "sfx_room"]
    assert [path.stem for path in found["dialogue"]] == ["DX"]
