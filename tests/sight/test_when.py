"""Rendered scenes with known instants: what must be a hit, and what must not."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from foleycli.sight.motion import compare, prepare
from foleycli.sight.stops import read_stops
from foleycli.sight.when import BLOCK, MotionReader

WIDE, TALL = 480, 270


def scenery(seed: int = 0) -> np.ndarray:
    """A still picture with detail at every size, larger than the frame."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((3, TALL, WIDE))
    layers = [
        size * gaussian_filter(one, size) for size, one in zip((2, 5, 12), noise, strict=True)
    ]
    return 120 + 55 * np.clip(np.sum(layers, axis=0), -2, 2)


SCENERY = scenery()


def view(x: float, y: float, picture: np.ndarray = SCENERY) -> np.ndarray:
    """The 90 x 160 part at a place between the pixels."""
    left, top = int(x), int(y)
    part = picture[top : top + 91, left : left + 161]
    across = part[:, :-1] + (part[:, 1:] - part[:, :-1]) * (x - left)
    return across[:-1] + (across[1:] - across[:-1]) * (y - top)


def with_ball(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    rows, columns = np.mgrid[:90, :160]
    mask = np.clip(7.5 - np.hypot(rows - y, columns - x), 0, 1)
    return picture * (1 - mask) + mask * (230 - 60 * ((rows // 2 + columns // 2) % 2))


def read(pictures, rate=Fraction(25), duration=None, **reader):
    """Times of the hits in seconds and activity, of pictures at a steady rate."""
    hits, activity = curves(pictures, rate, duration, **reader)
    return np.flatnonzero(hits) / 64, activity


def curves(pictures, rate=Fraction(25), duration=None, **reader):
    motion = MotionReader(**reader)
    for i, picture in enumerate(pictures):
        motion.push(i / Fraction(rate), np.clip(picture, 0, 255).astype(np.uint8))
    return motion.curves(duration or len(pictures) / Fraction(rate))


def strokes(rate: Fraction, duration: float = 4.0) -> tuple[list[np.ndarray], list[float]]:
    """A ball falls in a quarter second, stays where it lands, and is lifted slowly."""
    landings = [0.9, 1.7, 2.5, 3.3]
    pictures = []
    for i in range(int(duration * rate)):
        t = i / float(rate)
        since = min(
            (t - landing for landing in landings if t >= landing - 0.25), key=abs, default=-1
        )
        fall = 1 - (max(since, -0.25) / 0.25 + 1) ** 2
        height = 40 * (fall if since < 0 else np.clip((since - 0.15) / 0.4, 0, 1))
        pictures.append(with_ball(view(100, 60), 80, 75 - height))
    return pictures, landings


@pytest.mark.parametrize("rate", [Fraction(15), Fraction(24000, 1001), Fraction(60), Fraction(240)])
def test_a_stroke_is_heard_as_it_lands(rate):
    pictures, landings = strokes(rate)
    hits, _ = curves(pictures, rate)
    near = np.abs(np.arange(len(hits))[:, None] / 64 - landings).min(axis=1) < 0.08
    assert all(hits[round(64 * t) - 5 : round(64 * t) + 6].any() for t in landings)
    assert hits[near].sum() > 0.4 * hits.sum()
    assert hits[near].max() == hits.max()


@pytest.mark.parametrize("rate", [15, 25, 30, 60])
def test_a_bounce_is_heard_though_the_ball_never_stops(rate):
    landings = [0.9, 1.7, 2.5, 3.3]
    pictures = []
    for i in range(4 * rate):
        t = i / rate
        away = min(abs(t - landing) for landing in landings) if 0.5 < t < 3.7 else 0.4
        pictures.append(with_ball(view(100, 60), 80, 78 - 300 * away * (0.8 - away)))
    hits, _ = curves(pictures, rate)
    strong = np.flatnonzero(hits > 0.75) / 64
    assert len(strong) == 4
    assert np.abs(strong - landings).max() < 0.08


def test_pictures_delivered_twice_change_nothing():
    pictures, _ = strokes(Fraction(15))
    once, _ = read(pictures, Fraction(15))
    twice, _ = read([p for p in pictures for _ in range(2)], Fraction(30))
    assert len(once) == len(twice)
    assert np.abs(once - twice).max() < 0.04


def test_a_moving_camera_is_not_heard():
    rng = np.random.default_rng(1)
    pan = [view(20 + 2.3 * i, 60 + 8 * np.sin(i / 9)) for i in range(100)]
    shaken = [
        view(100 + 3 * rng.standard_normal(), 60 + 2 * rng.standard_normal()) for _ in range(100)
    ]
    for pictures in (pan, shaken):
        times, activity = read(pictures)
        assert len(times) <= 2
        assert activity.mean() < 0.25


def test_a_still_picture_with_grain_is_silent():
    rng = np.random.default_rng(1)
    times, activity = read([view(100, 60) + 3 * rng.standard_normal((90, 160)) for _ in range(75)])
    assert not len(times)
    assert activity.mean() < 0.1


def test_a_flash_is_heard_and_a_cut_is_not():
    other = scenery(5)
    still = [view(100, 60)] * 40
    flash = [*still, view(100, 60) + 90, *still]
    cut = [*still, *[view(100, 60, other)] * 40]
    times, _ = read(flash)
    assert len(times) == 1
    assert abs(times[0] - 1.6) < 0.1
    times, _ = read(cut)
    assert not len(times)


def test_curves_have_exactly_64_points_a_second():
    motion = MotionReader()
    motion.push(Fraction(0), np.zeros((90, 160), np.uint8))
    hits, activity = motion.curves(Fraction(1001, 30000))
    assert hits.shape == activity.shape == (2,)
    assert not MotionReader().curves(Fraction(10))[0].any()
    assert MotionReader().curves(Fraction(2002, 100))[0].shape == (round(64 * 20.02),)


def test_memory_does_not_grow_with_the_film():
    motion = MotionReader(read_stops)
    pictures = [np.clip(p, 0, 255).astype(np.uint8) for p in strokes(Fraction(5))[0]]
    for i in range(5 * 6 * BLOCK):
        motion.push(Fraction(i, 5), pictures[i % len(pictures)])
    assert len(motion._rows) < 5 * 2 * BLOCK


def test_the_camera_is_found_and_taken_out():
    pictures = prepare(np.stack([view(100, 60), view(109, 56)]).astype(np.uint8))
    changes = compare(pictures[:1], pictures[1:])
    assert changes.camera[0, :2] == pytest.approx([-4.5, 2], abs=0.2)  # half-size pixels
    assert changes.cells[0, 0].mean() < 0.5


def test_a_pair_is_compared_alike_alone_and_among_others():
    rng = np.random.default_rng(2)
    places = np.cumsum(rng.normal(0, 2, (9, 2)), axis=0) + np.array([100, 60])
    pictures = prepare(np.stack([view(x, y) for x, y in places]).astype(np.uint8))
    together = compare(pictures[:-1], pictures[1:])
    for i in range(8):
        alone = compare(pictures[[i]], pictures[[i + 1]])
        assert alone.camera[0] == pytest.approx(together.camera[i], abs=1e-5)
        assert alone.cells[0] == pytest.approx(together.cells[i], abs=1e-3)


def test_cuts_are_read_on_the_way():
    motion = MotionReader()
    for i, picture in enumerate([view(100, 60)] * 40 + [view(100, 60, scenery(5))] * 40):
        motion.push(Fraction(i, 25), picture.astype(np.uint8))
    assert motion.cuts() == (Fraction(40, 25),)


@pytest.mark.parametrize("shift", [-0.35, 0.0, 0.35])
def test_motion_is_found_where_it_stops(shift):
    pictures, landings = strokes(Fraction(25))
    moved = [np.roll(picture, round(shift * picture.shape[1]), axis=1) for picture in pictures]
    motion = MotionReader()
    for i, picture in enumerate(moved):
        motion.push(Fraction(i, 25), np.clip(picture, 0, 255).astype(np.uint8))
    places = motion.places(Fraction(len(moved), 25))
    usual = MotionReader()
    for i, picture in enumerate(pictures):
        usual.push(Fraction(i, 25), np.clip(picture, 0, 255).astype(np.uint8))
    middle = usual.places(Fraction(len(pictures), 25))
    at = [round(landing * 64) for landing in landings]
    assert places[at] - middle[at] == pytest.approx(2 * shift, abs=0.2)


def fallen(radius: float, fall: float) -> tuple[float, float]:
    """Size and force of a ball that falls so many pixels in a fifth of a second, and lies."""
    motion = MotionReader()
    rows, columns = np.mgrid[:90, :160]
    still = view(100, 60)
    for i in range(50):
        y = 60 - fall * max(0.0, 1 - max(0, i - 20) / 5)
        mask = np.clip(radius + 0.5 - np.hypot(rows - y, columns - 80), 0, 1)
        motion.push(Fraction(i, 25), (still * (1 - mask) + 255 * mask).astype(np.uint8))
    at = slice(60, 66)  # it lands at 1 s
    sizes, force = motion.sizes(Fraction(2))
    return float(sizes[at].max()), float(force[at].max())


def test_what_is_twice_as_large_is_twice_as_large_and_no_harder():
    small, large = fallen(5, 30), fallen(10, 60)
    assert large[0] == pytest.approx(2 * small[0], rel=0.3)
    assert 10 * abs(np.log10(large[1] / small[1])) < 2


def test_what_falls_faster_comes_harder():
    assert fallen(7, 60)[1] > 1.3 * fallen(7, 25)[1]


def test_a_still_picture_has_no_size():
    motion = MotionReader()
    for i in range(20):
        motion.push(Fraction(i, 25), view(100, 60).astype(np.uint8))
    assert not np.any(motion.sizes(Fraction(20, 25)))
