"""A timbre tells attack, body and flutter apart, whatever the level."""

import numpy as np
import pytest

from foleycli.waveform.timbre import PEAK_LEVEL, at_usual_level, find_timbre, frame_level


@pytest.fixture
def mel() -> np.ndarray:
    """A bright click, then a dark tail: (64, 128)."""
    mel = np.zeros((64, 128), np.float32)
    mel[10:12, 64:] = 0.7
    mel[12:50, :32] = 0.5
    return mel


def test_the_loudest_frame_is_at_the_usual_level(mel):
    assert frame_level(at_usual_level(mel)).max() == pytest.approx(PEAK_LEVEL, abs=1e-3)


def test_level_does_not_count(mel):
    softer = np.where(mel > 0, mel - 0.05, 0)
    same = find_timbre(at_usual_level(softer))
    np.testing.assert_allclose(find_timbre(at_usual_level(mel)), same, atol=1e-5)


def test_attack_is_bright_and_body_is_dark(mel):
    attack, body, _ = find_timbre(at_usual_level(mel)).reshape(3, 32)
    assert attack[16:].mean() > attack[:8].mean()
    assert body[:8].mean() > body[16:].mean()


def test_a_steady_sound_does_not_flutter():
    steady = np.full((64, 128), 0.6, np.float32)
    crackling = steady * (np.arange(64) % 4 < 2)[:, None]
    flutter = [find_timbre(at_usual_level(m))[64:].mean() for m in (steady, crackling)]
    assert flutter[0] == pytest.approx(0)
    assert flutter[1] > 0.5
