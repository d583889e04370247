import numpy as np
import pytest

from foleycli.spot.text import embed_text


def test_unit_rows_whatever_the_company():
    both = embed_text(["dog barking", "a much longer text about rain on a tin roof at night"])
    assert both.shape == (2, 384)
    assert np.linalg.norm(both, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(both[0], embed_text(["dog barking"])[0])
    assert embed_text([]).shape == (0, 384)


def test_close_to_the_float_model():
    # first numbers of sentence-transformers/all-MiniLM-L6-v2 in float32; 8 bits are off by 2 %
    assert embed_text(["dog barking"])[0, :4] == pytest.approx(
        [0.00383, 0.00263, 0.05867, 0.06874], abs=5e-3
    )


def test_meaning_orders_sounds():
    dog, bark, engine = embed_text(["dog barking", "a puppy barks", "car engine running"])
    assert dog @ bark > 0.6 > 0.4 > dog @ engine


def test_case_accents_and_very_long_texts():
    assert np.array_equal(embed_text(["DOG"]), embed_text(["dog"]))
    assert np.array_equal(embed_text(["café"]), embed_text(["cafe"]))
    assert np.isfinite(embed_text(["", "word " * 1000, "雨"])).all()
