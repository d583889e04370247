import numpy as np
import pytest

from foleycli.sight.people import JOINTS, PeopleDetector
from tests.drawings import figure


@pytest.fixture(scope="module")
def detector():
    return PeopleDetector()


def place(person, joint, width=640, height=360):
    x, y, _ = person.joints[JOINTS.index(joint)]
    return float(x) * width, float(y) * height


@pytest.mark.parametrize("x", [220, 430])
def test_the_joints_of_a_drawn_figure_are_where_they_were_drawn(detector, x):
    (person,) = detector.find(figure(x))
    assert person.score > 0.4 and person.joints.shape == (17, 3)
    assert place(person, "nose") == pytest.approx((x, 72), abs=8)
    for side, name in ((1, "left"), (-1, "right")):
        assert place(person, f"{name}_shoulder") == pytest.approx((x + side * 28, 112), abs=10)
        assert place(person, f"{name}_wrist") == pytest.approx((x + side * 66, 205), abs=16)
        assert place(person, f"{name}_ankle") == pytest.approx((x + side * 22, 318), abs=12)
    left, top, right, bottom = person.box
    assert left * 640 < x < right * 640 and top * 360 < 72 and bottom * 360 > 310


def test_an_upright_picture_needs_no_square(detector):
    tall = np.pad(figure(320)[:, 220:420], ((0, 0), (0, 2), (0, 0)))  # 360 x 202
    (person,) = detector.find(tall)
    assert place(person, "nose", 202, 360) == pytest.approx((100, 72), abs=8)


def test_nobody_is_in_a_gray_picture(detector):
    assert detector.find(np.full((180, 320, 3), 128, np.uint8)) == ()
