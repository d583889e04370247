"""Encoders share what is seen within a shot, never across a cut."""

from fractions import Fraction

import numpy as np
import pytest

from foleycli.clip.probe import probe
from foleycli.errors import MediaError
from foleycli.frames.decode import decode_pictures
from foleycli.sight.watch import Watcher
from foleycli.spot.encode import Encoder, encode_video, share_context
from foleycli.spot.what import Seer
from tests.films import still, strikes, write_film

RISING = np.arange(12, dtype=np.float32)[:, None]


def test_a_row_is_the_mean_of_its_neighbours_in_the_shot():
    shared = share_context(RISING, [Fraction(1)], 2)[:, 0]  # row 4 begins the second shot
    assert shared[:4] == pytest.approx([1, 1.5, 1.5, 2])
    assert shared[4:7] == pytest.approx([5, 5.5, 6])
    assert shared[-1] == pytest.approx(10)


def test_what_stays_the_same_is_left_as_it_is():
    still = np.full((9, 384), 0.25, np.float32)
    assert np.array_equal(share_context(still, [], 4), still)
    assert share_context(RISING, [], 0) is RISING


def test_a_cut_at_the_very_end_is_no_shot():
    late = share_context(RISING, [Fraction(3), Fraction(4)], 1)
    assert late[:, 0] == pytest.approx([0.5, *range(1, 11), 10.5])


def test_classes_are_those_of_the_networks_row_by_row(tmp_path):
    encoder = Encoder.open()
    pictures = list(decode_pictures(probe(write_film(tmp_path / "a.mp4", strikes([0.5], 1.1)))))
    features = encode_video(pictures, encoder)
    frames = np.stack([picture.rgb for picture in pictures if picture.rgb is not None])
    assert features.classes is not None and features.classes.shape == (5, 1000)
    assert features.classes.dtype == np.float16
    seen = encoder.seer.classify(frames)
    assert features.classes[: len(seen)] == pytest.approx(seen, abs=1e-3)


def encoded(film, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    return encode_video(decode_pictures(probe(film)), Encoder.open())


def test_threads_change_nothing(tmp_path, monkeypatch):
    film = write_film(tmp_path / "a.mp4", strikes([0.5, 1.5, 2.5], 3))
    one, several = (encoded(film, threads, monkeypatch) for threads in (1, 3))
    assert np.array_equal(one.rows, several.rows)
    assert np.array_equal(one.classes, several.classes)
    assert one.cuts == several.cuts
    assert [seen.time for seen in one.sightings] == [seen.time for seen in several.sightings]


def test_a_picture_that_is_the_same_is_not_looked_at_again(tmp_path, monkeypatch):
    looks = []
    classify = Seer.classify

    def counted(self, frames):
        looks.append(len(frames))
        return classify(self, frames)

    monkeypatch.setattr(Seer, "classify", counted)
    film = write_film(tmp_path / "a.mp4", [*still(2), *strikes([0.5, 1.5], 2)])
    pictures = list(decode_pictures(probe(film)))
    features = encode_video(pictures, Encoder.open())
    assert sum(looks) < 12  # of 16 pictures
    frames = np.stack([picture.rgb for picture in pictures if picture.rgb is not None])
    every = classify(Encoder.open().seer, frames)
    assert features.classes is not None and len(every) == len(features.classes) == 16
    apart = np.linalg.norm(features.classes - every)
    assert apart < 0.01 * np.linalg.norm(every)


def test_what_goes_wrong_in_a_picture_is_told(tmp_path, monkeypatch):
    film = write_film(tmp_path / "a.mp4", strikes([0.5], 1))

    def broken(self, picture):
        raise MediaError("no picture", "none")

    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(Watcher, "look", broken)
    with pytest.raises(MediaError):
        encode_video(decode_pictures(probe(film)), Encoder.open())
