"""The rule: what it turns, what it leaves alone, and the two failures of the published network."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from foleycli.config import HIGHLIGHT
from foleycli.highlight.curves import Span, fill_gaps, keyframes, limit_speed
from foleycli.highlight.levels import Levels, OnsetReader, gated, hear_stems, lufs
from foleycli.highlight.picture import RATE as MOTION_RATE
from foleycli.highlight.picture import Motion, seen_effects
from foleycli.highlight.rule import balance, second_edges
from foleycli.highlight.stems import stems_of
from tests.highlight.sounds import RATE

SECONDS = 10


def levels(speech=(2, 7), dialogue=-26.0, music=None, effects=None):
    """Steady stems at LUFS; somebody speaks between two seconds."""
    steps = np.arange(SECONDS * 10)
    speaks = (steps >= speech[0] * 10) & (steps < speech[1] * 10)

    def energy(level):
        return np.full(len(steps), 10 ** ((level + 0.691) / 10))

    energies = {"dialogue": energy(dialogue) * speaks}
    if music is not None:
        energies["music"] = energy(music)
    if effects is not None:
        energies["effects"] = energy(effects)
    return Levels(energies, speaks)


def after(heard, spans, stem, second):
    """LUFS of a stem in a second, once it is turned."""
    part = heard.energies[stem][second * 10 : second * 10 + 10]
    return float(lufs(part.mean())) + spans[second].gains_db[stem]


def test_a_waterfall_does_not_drown_speech():
    heard = levels(dialogue=-30, effects=-18)
    spans = balance(heard, second_edges(SECONDS))
    for second in range(2, 7):
        gap = after(heard, spans, "dialogue", second) - after(heard, spans, "effects", second)
        assert gap == pytest.approx(HIGHLIGHT.speech_over_effects, abs=0.1)
        assert "effects under it" in spans[second].reason
    assert spans[9].gains_db["effects"] > spans[4].gains_db["effects"]  # where nobody speaks


def test_a_close_up_does_not_raise_breathing():
    """Breath swells by itself; the face that fills the picture moves at other times."""
    chance = np.random.RandomState(0)
    time = np.arange(SECONDS * RATE) / RATE
    breath = 0.02 * chance.standard_normal(len(time)) * (1 + np.sin(2 * np.pi * 0.35 * time))
    reader = OnsetReader(RATE)
    reader.add(breath[:, None].astype(np.float32))
    count = SECONDS * MOTION_RATE
    motion = Motion(np.abs(chance.standard_normal(count)) * 5, np.ones(count))
    heard = replace(levels(speech=(0, 0), effects=-40, music=-30),
                    onsets={"effects": reader.strength()})  # fmt: skip
    edges = second_edges(SECONDS)
    led = replace(HIGHLIGHT, seen_db=3.0, close_db=3.0)
    seen = seen_effects(heard, motion, edges)
    assert seen.close.min() == 1
    raised = [s.gains_db["effects"] for s in balance(heard, edges, led, seen)]
    plain = [s.gains_db["effects"] for s in balance(heard, edges)]
    assert np.mean(np.subtract(raised, plain)) < 0.5


def test_effects_that_begin_as_the_picture_moves_are_told_from_others():
    beats = np.arange(0.4, SECONDS, 0.83)
    sound = np.zeros(SECONDS * RATE, np.float32)
    motion = np.zeros(SECONDS * MOTION_RATE)
    for beat in beats:
        first = int(beat * RATE)
        ring = np.exp(-np.arange(RATE // 10) / 800)[: len(sound) - first]
        sound[first : first + len(ring)] += (
            0.3 * ring * np.random.RandomState(1).standard_normal(len(ring))
        )
        motion[int(beat * MOTION_RATE)] = 20
    reader = OnsetReader(RATE)
    reader.add(sound[:, None])
    heard = replace(levels(effects=-30), onsets={"effects": reader.strength()})
    edges = second_edges(SECONDS)
    own = seen_effects(heard, Motion(motion, motion * 0), edges).follows
    late = seen_effects(heard, Motion(np.roll(motion, 10), motion * 0), edges).follows
    assert own.mean() > 0.3 and own.mean() > late.mean() + 0.3


def test_a_balance_that_fits_is_left_alone():
    heard = levels(dialogue=-23, music=-31, effects=-28)
    spans = balance(heard, second_edges(SECONDS), replace(HIGHLIGHT, effects_over_music=3.0))
    for span in spans:
        assert max(map(abs, span.gains_db.values())) < 0.1


def test_a_stem_alone_or_silent_is_not_turned():
    assert all(not any(s.gains_db.values()) for s in balance(levels(), second_edges(SECONDS)))
    heard = levels(effects=-200)
    assert all(s.gains_db["effects"] == 0 for s in balance(heard, second_edges(SECONDS)))


def test_gains_keep_within_bounds_and_scale_with_the_strength():
    heard = levels(dialogue=-50, music=-10, effects=-60)
    whole = balance(heard, second_edges(SECONDS))
    half = balance(heard, second_edges(SECONDS), replace(HIGHLIGHT, strength=0.5))
    assert max(abs(g) for s in whole for g in s.gains_db.values()) <= 12
    assert max(abs(g) for s in half for g in s.gains_db.values()) <= 6
    assert any("largest gain" in span.reason for span in whole)


def test_speed_is_limited_by_turning_down_early():
    values = np.array([0.0, 0.0, -20.0, 0.0])
    limited = limit_speed(values, np.ones(4), 12)
    assert limited.tolist() == [0, -8, -20, -8]


def test_keyframes_are_the_ends_of_ramps():
    spans = [Span(a, a + 1, {"music": g}, {}) for a, g in enumerate([0.0, 0.0, -3.0])]
    points = [(p.time, p.gain_db) for p in keyframes(spans, "music")]
    assert points == [(0, 0), (1.75, 0), (2.25, -3), (3, -3)]


def test_gaps_of_a_table_are_not_turned_and_slivers_are_closed():
    from fractions import Fraction

    spans = [Span(Fraction(1), Fraction(2), {"music": -3.0}, {}),
             Span(Fraction(20001, 10000), Fraction(3), {"music": 1.0}, {})]  # fmt: skip
    filled = fill_gaps(spans, Fraction(4))
    assert [(s.start, s.gains_db) for s in filled] == [
        (0, {}), (1, {"music": -3.0}), (Fraction(20001, 10000), {"music": 1.0}), (3, {}),
    ]  # fmt: skip
    assert all(a.end == b.start for a, b in itertools.pairwise(filled))


def test_loudness_of_steps_is_that_of_the_meter():
    from foleycli.highlight.muddy import block_loudness
    from foleycli.waveform.loudness import integrated_loudness

    sound = 0.1 * np.random.RandomState(0).standard_normal(5 * RATE)
    assert block_loudness(sound, RATE) == pytest.approx(
        integrated_loudness([sound], RATE), abs=0.01
    )
    assert gated(np.zeros(50)) == -np.inf


def test_a_mix_is_left_where_nobody_speaks_or_the_voice_fits_and_a_loud_voice_goes_down():
    edges = second_edges(SECONDS)
    silent = balance(levels(speech=(0, 0), effects=-20), edges, parted=2)
    fits = balance(levels(dialogue=-23, effects=-25), edges, parted=2)
    assert not any(any(s.gains_db.values()) for s in (*silent, *fits))
    assert "no speech" in silent[0].reason and "near its offset" in fits[0].reason
    loud = balance(levels(dialogue=-15, effects=-33), edges, parted=2)
    assert loud[4].gains_db["dialogue"] < -3 < loud[4].gains_db["effects"]
    assert loud[9].gains_db["dialogue"] == loud[9].gains_db["effects"]
    buried = balance(levels(dialogue=-35, effects=-18), edges, parted=2)
    assert buried[4].gains_db["dialogue"] - buried[4].gains_db["effects"] > 10
    assert max(abs(g) for s in buried for g in s.gains_db.values()) <= HIGHLIGHT.max_gain_db


def test_a_mix_is_left_where_the_voice_is_in_the_rest_too(tmp_path):
    """An animal's call of which a separator of voice gives half to either part."""
    edges = second_edges(SECONDS)
    heard = replace(levels(dialogue=-35, effects=-18), alike=0.42)
    left = balance(heard, edges, parted=2, most_alike=0.15)
    assert not any(any(s.gains_db.values()) for s in left)
    assert "in the rest, too" in left[0].reason
    assert any(any(s.gains_db.values()) for s in balance(heard, edges, parted=2))
    random = np.random.RandomState(0)
    call, noise = 0.1 * random.standard_normal((2, SECONDS * RATE)).astype(np.float32)
    for share, expected in ((0.0, 0.0), (1.0, np.sqrt(0.5))):
        files = {}
        for name, sound in (("dialogue", call), ("effects", noise + share * call)):
            files[name] = tmp_path / f"{name}{share}.wav"
            soundfile.write(files[name], sound, RATE, "FLOAT")
        stems = stems_of(files)
        assert hear_stems(stems, alike=True).alike == pytest.approx(expected, abs=0.01)
        assert hear_stems(stems).alike == 0
