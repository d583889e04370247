"""Hits and beds are found where they were put."""

import numpy as np
import pytest

from foleycli.library.level import SAMPLE_RATE, hit_level_db
from foleycli.library.segment import find_beds, find_hits


def knocks(times, seconds=3.0, background=1e-4):
    rng = np.random.default_rng(1)
    samples = background * rng.standard_normal(int(seconds * SAMPLE_RATE))
    decay = np.exp(-np.arange(9600) / 900) * 0.5
    for time in times:
        at = round(time * SAMPLE_RATE)
        samples[at : at + 9600] += decay * rng.standard_normal(9600)
    return samples.astype(np.float32)


def test_onsets_are_found_within_a_millisecond():
    times = [0.3, 1.0, 2.2]
    hits = find_hits(knocks(times))
    assert len(hits) == 3
    for hit, time in zip(hits, times, strict=True):
        assert abs(hit.onset / SAMPLE_RATE - time) < 0.001
        assert hit.start < hit.onset < hit.end


def test_hits_end_before_the_next_or_when_they_have_died_away():
    first, second, last = find_hits(knocks([0.3, 0.6, 2.2]))
    assert first.end <= second.onset
    assert last.end < 2.6 * SAMPLE_RATE


def test_a_rattle_is_one_event():
    assert len(find_hits(knocks([0.5 + 0.03 * n for n in range(20)]))) == 1


def test_short_recording_is_one_hit_from_its_first_sample():
    (hit,) = find_hits(knocks([0.0], seconds=0.4))
    assert hit.onset < SAMPLE_RATE // 1000


def test_steady_noise_has_no_hits_and_one_bed():
    noise = (0.1 * np.random.default_rng(2).standard_normal(8 * SAMPLE_RATE)).astype(np.float32)
    assert find_hits(noise) == []
    (bed,) = find_beds(noise)
    assert bed.end - bed.start == 6 * SAMPLE_RATE
    assert bed.spread_db < 1


def test_bed_is_where_it_is_steady():
    noise = 0.1 * np.random.default_rng(2).standard_normal(8 * SAMPLE_RATE)
    noise[: 4 * SAMPLE_RATE] *= np.repeat(10 ** np.linspace(-3, 0, 16), SAMPLE_RATE // 4)
    (bed,) = find_beds(noise.astype(np.float32))
    assert bed.start >= 3 * SAMPLE_RATE


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(48_000, np.float32)])
def test_nothing_in_silence(samples):
    assert find_hits(samples) == [] and find_beds(samples, 2) == []
    assert hit_level_db(samples) < -90
