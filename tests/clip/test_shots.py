"""Cuts found in drawn scenes: textures that pan, flash, flicker and change."""

from fractions import Fraction

import numpy as np
import pytest

from foleycli.clip.shots import ShotDetector

HEIGHT, WIDTH = 90, 160


def scene(seed, frames, speed=0):
    """A soft random texture of its own brightness that pans ``speed`` pixels a frame."""
    rng = np.random.default_rng(seed)
    wide = WIDTH + abs(speed) * frames
    coarse = rng.normal(rng.uniform(70, 180), 45, (HEIGHT // 10, wide // 10 + 1))
    texture = np.kron(coarse, np.ones((10, 10)))[:, :wide]
    for i in range(frames):
        grain = rng.normal(0, 3, (HEIGHT, WIDTH))
        view = texture[:, i * speed : i * speed + WIDTH]
        yield np.clip(view + grain, 0, 255).astype(np.uint8)


def cuts(frames, rate=24):
    detector = ShotDetector()
    for i, luma in enumerate(frames):
        detector.add(Fraction(i, rate), luma)
    return [int(time * rate) for time in detector.finish()]


def test_cuts_are_the_first_pictures_of_new_shots():
    assert cuts([*scene(1, 20), *scene(2, 30), *scene(3, 12)]) == [20, 50]


def test_a_shot_of_six_frames_is_one():
    assert cuts([*scene(1, 20), *scene(2, 6), *scene(3, 20)]) == [20, 26]


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_flash_is_no_cut(frames):
    pictures = list(scene(1, 40))
    for i in range(frames):
        pictures[20 + i] = np.clip(pictures[20 + i] * 2.0 + 90, 0, 255).astype(np.uint8)
    assert cuts(pictures) == []


def test_muzzle_fire_in_the_dark_is_no_cut():
    pictures = [picture // 12 for picture in scene(1, 60)]
    for i in (10, 13, 16, 19, 30, 31, 45):
        pictures[i] = np.clip(pictures[i] * 9.0 + 30, 0, 255).astype(np.uint8)
    assert cuts(pictures) == []


def test_a_lamp_that_goes_on_is_no_cut():
    pictures = list(scene(4, 40))
    assert cuts([p // 2 for p in pictures[:20]] + pictures[20:]) == []


@pytest.mark.parametrize("speed", [3, 8, 25])
def test_a_pan_is_no_cut_however_fast(speed):
    assert cuts(scene(5, 40, speed)) == []


def test_a_still_black_picture_has_no_cut():
    assert cuts(np.zeros((50, HEIGHT, WIDTH), np.uint8)) == []


@pytest.mark.parametrize("frames", [0, 1, 2, 5])
def test_short_clips_are_fine(frames):
    assert cuts(scene(6, frames)) == []


def test_cuts_are_known_a_few_pictures_later():
    detector = ShotDetector()
    for i, luma in enumerate([*scene(1, 20), *scene(2, 5)]):
        detector.add(Fraction(i, 24), luma)
    assert detector.cuts == [Fraction(20, 24)]
