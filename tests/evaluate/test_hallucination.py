import numpy as np
import pytest

from foleycli.evaluate.hallucination import MUSIC, SPEECH, hallucinates, loudest
from foleycli.listeners.heard import Heard
from foleycli.listeners.yamnet import class_names


def _heard(**probabilities: float) -> Heard:
    """One second patch after a silent one, in which a class has a probability."""
    logits = np.full((2, 521), -20, np.float32)
    for name, probability in probabilities.items():
        logits[1, class_names().index(name)] = np.log(probability / (1 - probability))
    return Heard(np.zeros((2, 4), np.float32), logits)


def test_speech_that_the_clip_has_not_is_counted():
    assert hallucinates(_heard(Vehicle=0.9), _heard(Speech=0.6), SPEECH) == 100
    assert hallucinates(_heard(Vehicle=0.9), _heard(Speech=0.4), SPEECH) == 0
    assert hallucinates(_heard(Vehicle=0.9), _heard(Speech=0.6), MUSIC) == 0


def test_clips_that_speak_themselves_do_not_count():
    assert np.isnan(hallucinates(_heard(Speech=0.6), _heard(Speech=0.9), SPEECH))


def test_a_moment_is_enough():
    assert loudest(_heard(Singing=0.7, Music=0.2), MUSIC) == pytest.approx(0.7, rel=1e-4)
