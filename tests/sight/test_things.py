import numpy as np
import pytest

from foleycli.sight.things import (
    NAMES,
    VARIANCES,
    ThingDetector,
    anchors,
    decode_boxes,
    read_things,
)
from tests.drawings import stop_sign


@pytest.fixture(scope="module")
def detector():
    return ThingDetector()


def test_coco_has_eighty_kinds():
    assert len(NAMES) == 80
    # cocodataset.org, instances_val2017.json
    assert {
        1: "person",
        13: "stop sign",
        44: "bottle",
        77: "cell phone",
        90: "toothbrush",
    }.items() <= (NAMES.items())


def test_anchors_are_those_of_ssd_mobilenet_v2():
    # object_detection's multiple_grid_anchor_generator: 19 x 19 x 3 and then six a cell
    around = anchors()
    assert around.shape == (1917, 4)
    assert around[0] == pytest.approx([0.5 / 19, 0.5 / 19, 0.1, 0.1])
    assert around[1] == pytest.approx([0.5 / 19, 0.5 / 19, 0.2 / 2**0.5, 0.2 * 2**0.5])
    assert around[3][:2] == pytest.approx([0.5 / 19, 1.5 / 19])  # rows first
    assert around[1083] == pytest.approx([0.05, 0.05, 0.35, 0.35])
    assert around[-1] == pytest.approx([0.5, 0.5, 0.95**0.5, 0.95**0.5])


def test_a_box_that_is_coded_is_decoded():
    boxes = np.array([[0.2, 0.3, 0.5, 0.9], [0.0, 0.1, 1.0, 0.4]], np.float32)
    around = anchors()[[500, 1800]]
    sizes = boxes[:, [3, 2]] - boxes[:, [1, 0]]
    centres = boxes[:, [1, 0]] + sizes / 2
    codes = [(centres - around[:, :2]) / around[:, 2:], np.log(sizes / around[:, 2:])]
    assert decode_boxes(np.concatenate(codes, 1) * VARIANCES, around) == pytest.approx(
        boxes, abs=1e-5
    )


def test_two_boxes_around_one_thing_are_one_thing():
    codes, logits = np.zeros((1917, 4), np.float32), np.full((1917, 91), -9, np.float32)
    logits[[1083, 1916], 18] = 2, 3  # dogs far apart
    logits[1101, 18] = 1  # the cell three to the right of the first
    found = read_things(codes, logits)
    assert [thing.name for thing in found] == ["dog"] * 3
    codes[1101] = np.array([0, (0.05 - 0.35) / 0.35, 0, 0]) * VARIANCES  # the first one's box
    assert [round(thing.score, 2) for thing in read_things(codes, logits)] == [0.95, 0.88]


def test_a_drawn_sign_is_found_where_it_is(detector):
    sign, *others = detector.find(stop_sign(400, 130, 90))
    assert sign.name == "stop sign" and sign.score > 0.9 and not others
    drawn = (317 / 640, 47 / 360, 483 / 640, 213 / 360)
    assert sign.box == pytest.approx(drawn, abs=0.03)
    moved = detector.find(stop_sign(200, 180, 70))[0]
    assert moved.box == pytest.approx((135 / 640, 115 / 360, 265 / 640, 245 / 360), abs=0.03)


def test_nothing_is_in_a_gray_picture(detector):
    assert detector.find(np.full((90, 160, 3), 128, np.uint8)) == ()
