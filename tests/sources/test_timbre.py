"""Examples to sound like come from the recordings that the words find."""

from fractions import Fraction

import numpy as np

from foleycli.config import MEL
from foleycli.library.bank import Bank
from foleycli.sources.timbre import Examples
from foleycli.spot.cues import Cue
from foleycli.spot.render import render_features


def cue(what: str, start: int, kind: str = "hit") -> Cue:
    return Cue(start=Fraction(start), duration=Fraction(1), kind=kind, what=what)  # type: ignore[arg-type]


def test_other_words_and_other_takes_are_other_examples():
    bank = Bank.open()
    first, second = Examples(bank, MEL), Examples(bank, MEL, take=1)
    dog = first(cue("dog bark", 0))
    assert dog.shape == (96,)
    assert np.abs(dog - first(cue("rain", 0, "bed"))).max() > 0.1
    assert np.abs(dog - second(cue("dog bark", 0))).max() > 0.01
    np.testing.assert_array_equal(dog, first(cue("dog bark", 5)))


def test_rows_hold_the_example_of_what_sounds_in_them():
    examples = Examples(Bank.open(), MEL)
    dog, door = cue("dog bark", 0), cue("door slam", 2)
    features = render_features([dog, door], Fraction(4), timbre=examples)
    np.testing.assert_allclose(features.timbre[1], examples(dog), rtol=1e-5)
    np.testing.assert_allclose(features.timbre[9], examples(door), rtol=1e-5)
    assert not features.timbre[6].any()
    assert not render_features([dog], Fraction(4)).timbre.any()


def test_words_that_no_recording_is_of_have_no_example():
    none = Examples(Bank.open(), MEL)(cue("qqq zzzz", 0))
    assert none.shape == (96,)
    assert not none.any()
