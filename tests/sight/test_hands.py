import math

import numpy as np
import pytest

from foleycli.sight.hands import (
    AROUND_PALM,
    HandDetector,
    Square,
    _palm_square,
    _placement,
    anchors,
    follow,
    read_palms,
)
from foleycli.sight.sightings import Hand


def test_anchors_lie_in_the_middles_of_cells():
    centres = anchors()
    assert centres.shape == (2016, 2)
    assert centres[0] == pytest.approx([0.5 / 24, 0.5 / 24])
    assert centres[2] == pytest.approx([1.5 / 24, 0.5 / 24])  # right before down, two a cell
    assert centres[1152] == pytest.approx([0.5 / 12, 0.5 / 12])
    assert centres[-1] == pytest.approx([11.5 / 12, 11.5 / 12])


def test_palms_are_told_in_pixels_from_their_anchors():
    codes, logits = np.zeros((2016, 18), np.float32), np.full(2016, -9, np.float32)
    codes[[0, 1]] = 19.2  # a tenth of the square, for centre, size and every point
    logits[[0, 1]] = 3, 2  # the second in the same place
    logits[-1], codes[-1, 2:4] = 1, 19.2
    first, last = read_palms(codes, logits)
    start = 0.5 / 24 + 0.1
    assert first == pytest.approx([start, start, 0.1, 0.1, start, start, start, start])
    assert last[:2] == pytest.approx([11.5 / 12] * 2)


def test_a_square_is_turned_so_that_fingers_point_up():
    # a palm of 40 pixels whose fingers point right
    square = _palm_square(np.array([100, 80, 40, 40, 90, 80, 110, 80.0]))
    assert square.turn == pytest.approx(math.pi / 2)
    assert (square.x, square.y) == pytest.approx((120, 80))  # half a palm to the fingers
    assert square.side == pytest.approx(AROUND_PALM * 40)
    to_picture = _placement(square)
    up = to_picture @ (112, 0, 1)  # the middle of the crop's upper edge
    assert up == pytest.approx((120 + square.side / 2, 80))


def test_a_hand_is_looked_for_where_it_was():
    points = np.zeros((21, 3), np.float32)
    points[:, 0] = np.linspace(0.45, 0.55, 21)
    points[:, 1] = 0.5
    points[0, :2] = 0.5, 0.8  # the wrist is below the fingers
    points[[6, 10, 14], :2] = (0.45, 0.5), (0.5, 0.5), (0.55, 0.5)
    square = follow(Hand(points, 1.0, 0.5), 200, 100)
    assert square.turn == pytest.approx(0)
    assert (square.x, square.y) == pytest.approx((100, 62), abs=2)
    turned = points.copy()
    turned[:, 0], turned[:, 1] = points[:, 1] / 2 + 0.25, 1 - 2 * (points[:, 0] - 0.25)
    other = follow(Hand(turned, 1.0, 0.5), 200, 100)  # the same hand, lying on its side
    assert other.turn == pytest.approx(-math.pi / 2)
    assert other.side == pytest.approx(square.side)


def test_no_hand_is_in_noise():
    noise = np.random.default_rng(0).integers(0, 256, (216, 384, 3), np.uint8)
    detector = HandDetector()
    assert detector.find_palms(noise) == []
    assert detector.read(noise, Square(190, 100, 80, 0.3)) is None
