"""Recordings land where the cues say, and the waveform is what was promised."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from foleycli.library.bank import Bank
from foleycli.library.level import SAMPLE_RATE, bed_level_db, hit_level_db
from foleycli.library.place import place_cues, plan_sounds
from foleycli.library.table import Category, Recording
from foleycli.spot.cues import Cue
from foleycli.spot.text import embed_text

CATEGORY = Category("all", ("sound",), -20.0, -30.0, 0.5)
CLICK_AT = 960  # samples before the attack in the test's recordings


def cue(start, duration=1, kind="hit", what="door slam", level_db=0.0):
    return Cue(
        start=Fraction(start),
        duration=Fraction(duration),
        kind=kind,
        what=what,
        level_db=level_db,
    )


def place(cues, bank, duration, **options):
    return np.concatenate(list(place_cues(cues, bank, Fraction(duration), **options)))


def attack(waveform):
    """First sample that is half as large as the largest: resampling rings before a click."""
    return int(np.argmax(np.abs(waveform) > 0.5 * np.abs(waveform).max()))


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """Four clicks with decays that differ, and a bed of noise."""
    folder = tmp_path_factory.mktemp("bank")
    rng = np.random.default_rng(0)
    recordings = []
    for number in range(4):
        decay = np.exp(-np.arange(24_000) / (1200 + 900 * number))
        tone = 0.4 * decay * np.sin(0.05 * (number + 1) * np.arange(24_000))
        tone[0] = 0.4
        samples = np.concatenate([np.zeros(CLICK_AT), tone]).astype(np.float32)
        recordings.append(_recording(folder, f"slam{number}", "hit", "door slam", samples))
    noise = 0.1 * rng.standard_normal(3 * SAMPLE_RATE).astype(np.float32)
    recordings.append(_recording(folder, "wind", "bed", "wind", noise))
    return Bank(recordings, [CATEGORY], embed_text(["door slam", "wind"]), embed_text(["sound"]))


def _recording(folder, name, kind, label, samples):
    soundfile.write(folder / f"{name}.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    level = hit_level_db(samples) if kind == "hit" else bed_level_db(samples)
    onset = CLICK_AT if kind == "hit" else 0
    return Recording(
        name, folder / f"{name}.wav", kind, "all", label, 0, onset, len(samples), level
    )


@pytest.mark.parametrize("duration", [Fraction(1, 25), Fraction(1001, 300), Fraction(10)])
def test_length_is_exact(bank, duration):
    cues = [cue(0), cue("1/3", 9, "bed", "wind")]
    assert len(place(cues, bank, duration)) == round(duration * SAMPLE_RATE)
    assert len(place([], bank, duration)) == round(duration * SAMPLE_RATE)


@pytest.mark.parametrize("at", ["1/3", "0", "12345/48000"])
def test_attack_is_on_the_cue_to_the_sample(bank, at):
    waveform = place([cue(at)], bank, 1)
    assert abs(attack(waveform) - round(Fraction(at) * SAMPLE_RATE)) <= 1


def test_blocks_do_not_matter(bank):
    cues = [cue(Fraction(n, 7)) for n in range(20)] + [cue(0, 3, "bed", "wind")]
    whole = place(cues, bank, 3, seed=5)
    assert np.array_equal(whole, place(cues, bank, 3, seed=5, block=997))
    assert not np.array_equal(whole, place(cues, bank, 3, seed=6))


def test_no_two_neighbours_are_the_same(bank):
    waveform = place([cue(n) for n in range(6)], bank, 6)
    hits = waveform.reshape(6, SAMPLE_RATE)
    for one, other in itertools.pairwise(hits):
        assert np.abs(one - other).max() > 0.01


def test_silence_where_no_cue_is(bank):
    waveform = place([cue(1, 1), cue(3, 1, "bed", "wind")], bank, 5)
    assert not waveform[: int(0.9 * SAMPLE_RATE)].any()
    assert not waveform[2 * SAMPLE_RATE : 3 * SAMPLE_RATE].any()
    assert not waveform[4 * SAMPLE_RATE :].any()


def test_hit_ends_soon_after_a_cut(bank):
    waveform = place([cue(1, 1)], bank, 2, cuts=[Fraction(11, 10)])
    assert waveform[int(1.05 * SAMPLE_RATE)] != 0
    assert not waveform[int(1.17 * SAMPLE_RATE) :].any()


def test_softer_cues_are_softer_and_duller(bank):
    loud, soft = (place([cue(0, 1, level_db=level)], bank, 1, seed=3) for level in (0.0, -18.0))
    assert 10 < hit_level_db(loud) - hit_level_db(soft) < 30
    treble = [np.abs(np.diff(w)).sum() / np.abs(w).sum() for w in (loud, soft)]
    assert treble[1] < treble[0]


def test_touching_beds_are_one_sound_that_follows_the_levels(bank):
    beds = [cue(n, 1, "bed", "wind", level) for n, level in enumerate((0.0, -12.0, 0.0, -12.0))]
    assert len(plan_sounds(beds, Fraction(4), SAMPLE_RATE)) == 1
    waveform = place(beds, bank, 4)
    middle = [
        bed_level_db(waveform[int((n + 0.3) * 48_000) : int((n + 0.7) * 48_000)]) for n in range(4)
    ]
    assert abs(middle[0] - middle[1] - 12) < 1
    assert abs(middle[2] - middle[3] - 12) < 1


def test_the_air_of_a_place_turns_into_that_of_the_next_without_a_hole(bank):
    airs = [
        replace(cue(at, 2, "bed", what), layer="air") for at, what in ((0, "wind"), (2, "winds"))
    ]
    waveform = place(airs, bank, 4, cuts=[Fraction(2)])
    assert len(plan_sounds(airs, Fraction(4), SAMPLE_RATE)) == 2
    steps = (waveform[: 4 * SAMPLE_RATE] ** 2).reshape(-1, SAMPLE_RATE // 100).mean(axis=1)
    levels = 10 * np.log10(steps[2:-2])
    assert np.ptp(levels) < 3


def test_loop_has_no_seam(bank):
    waveform = place([cue(0, 20, "bed", "wind")], bank, 20)
    levels = [bed_level_db(part) for part in waveform[48_000:-48_000].reshape(-1, 9600)]
    assert max(levels) - min(levels) < 2.5
    assert np.abs(np.diff(waveform)).max() < 0.25


def test_usual_levels(bank):
    hit, bed = place([cue(0)], bank, 1), place([cue(0, 10, "bed", "wind")], bank, 10)
    assert abs(hit_level_db(hit) + 20) < 3.5  # +- 2 dB drawn, tail cut
    assert abs(bed_level_db(bed) + 30) < 1


def test_hits_leave_headroom(bank):
    assert np.abs(place([cue(0, 1, level_db=40)], bank, 1)).max() < 0.75


def test_bed_of_single_hits_is_a_sequence(bank):
    hits = Bank(bank.recordings[:4], [CATEGORY], embed_text(["door slam"]), embed_text(["sound"]))
    waveform = place([cue(0, 8, "bed")], hits, 8)
    assert (np.abs(waveform).reshape(8, -1).max(1) > 0.001).all()


def test_other_sample_rates(bank):
    assert len(place([cue("1/2")], bank, 1, sample_rate=44_100)) == 44_100
    waveform = place([cue("1/2")], bank, 1, sample_rate=44_100)
    assert abs(attack(waveform) - 22_050) <= 1


def test_levels_may_be_whole_numbers(bank):
    bed = cue(0, 3, "bed", "noise", level_db=0)
    np.testing.assert_array_equal(
        place([bed], bank, 3), place([cue(0, 3, "bed", "noise")], bank, 3)
    )
