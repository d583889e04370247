"""Hands and their 21 points: MediaPipe's palm detector and hand landmarks (arXiv 2006.10214).

A palm is found anywhere, coarsely; the network of points then looks at an upright square around
it. From picture to picture the square follows the points, and no palm is searched for.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foleycli.models.sessions import open_session
from foleycli.sight.sightings import Box, Hand

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FOLDER = Path(__file__).parent.parent / "models" / "sight"
PALM_SIZE, HAND_SIZE = 192, 224  # pixels a side
CELLS = ((24, 2), (12, 6))  # cells a side of the layers that palms are read from, boxes in each
SURE_PALM = 0.5
PRESENT = 0.7  # presence from which it is a hand; a puppy's paws reach .6
AROUND_PALM = 2.6  # sides of a palm's box that hold the whole hand
AROUND_POINTS = 2.0  # the same of the box around the steady points
RAISED = 0.5  # heights of a palm's box by which its square is shifted to the fingers
RAISED_POINTS = 0.1
STEADY = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)  # points that fingers hardly move
WRIST, INDEX, MIDDLE, RING = 0, 6, 10, 14  # the wrist and the middle joints of three fingers


@dataclass(frozen=True, slots=True)
class Square:
    """Where to look for one hand, in pixels of the picture."""

    x: float  # centre
    y: float
    side: float
    turn: float  # radians clockwise from upright to where the fingers point


class HandDetector:
    """Finds palms (10 ms of one core) and reads a hand's points (5 ms)."""

    @cached_property
    def _palm(self) -> "InferenceSession":
        return open_session(FOLDER / "palm_detection_full.onnx")

    @cached_property
    def _hand(self) -> "InferenceSession":
        return open_session(FOLDER / "hand_landmark_full.onnx")

    def find_palms(self, picture: NDArray[np.uint8], box: Box = (0, 0, 1, 1)) -> list[Square]:
        """Where hands may be within a part of a picture (height, width, 3), the surest first."""
        height, width = picture.shape[:2]
        left, top = int(box[0] * width), int(box[1] * height)
        part = picture[top : math.ceil(box[3] * height), left : math.ceil(box[2] * width)]
        if not part.size:
            return []
        side = max(part.shape[:2])
        scale = PALM_SIZE / side
        small = Image.fromarray(part).resize(
            (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))),
            Image.Resampling.BILINEAR,
        )
        across, down = (PALM_SIZE - small.width) // 2, (PALM_SIZE - small.height) // 2
        pixels = np.zeros((1, PALM_SIZE, PALM_SIZE, 3), np.float32)
        pixels[0, down : down + small.height, across : across + small.width] = np.asarray(small)
        codes, logits = self._palm.run(["Identity", "Identity_1"], {"input_1": pixels / 255})
        palms = read_palms(np.asarray(codes)[0], np.asarray(logits)[0, :, 0])
        corner = np.array([left - across / scale, top - down / scale])
        return [_palm_square(palm * side + np.tile(corner, 4)) for palm in palms]

    def read(self, picture: NDArray[np.uint8], square: Square) -> Hand | None:
        """The hand in a square of a picture (height, width, 3), if there is one."""
        height, width = picture.shape[:2]
        to_picture = _placement(square)
        crop = Image.fromarray(picture).transform(
            (HAND_SIZE, HAND_SIZE),
            Image.Transform.AFFINE,
            tuple(to_picture.ravel()),
            Image.Resampling.BILINEAR,
        )
        pixels = np.asarray(crop, np.float32)[None] / 255
        outputs = ["Identity", "Identity_1", "Identity_2"]
        points, presence, handedness = self._hand.run(outputs, {"input_1": pixels})
        present = float(np.asarray(presence).item())
        if present < PRESENT:
            return None
        crop_points = np.asarray(points).reshape(21, 3)
        placed = np.empty((21, 3), np.float32)
        flat = crop_points[:, :2] @ to_picture[:, :2].T + to_picture[:, 2]
        placed[:, :2] = flat / (width, height)
        placed[:, 2] = crop_points[:, 2] * square.side / HAND_SIZE / width
        return Hand(placed, present, float(np.asarray(handedness).item()))


def follow(hand: Hand, width: int, height: int) -> Square:
    """Where the hand of one picture is looked for in the next, in pixels."""
    points = hand.points[:, :2] * (width, height)
    fingers = (points[INDEX] + 2 * points[MIDDLE] + points[RING]) / 4
    turn = _turn(points[WRIST], fingers)
    steady = points[list(STEADY)]
    upright = _rotation(-turn)
    turned = steady @ upright.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    middle = np.linalg.inv(upright) @ ((low + high) / 2 - (0, RAISED_POINTS * (high - low)[1]))
    side = AROUND_POINTS * float((high - low).max())
    return Square(float(middle[0]), float(middle[1]), max(side, 4.0), turn)


def read_palms(
    codes: NDArray[np.float32], logits: NDArray[np.float32], sure: float = SURE_PALM
) -> list[NDArray[np.float32]]:
    """What the network says, codes (2016, 18) and logits (2016,), as palms, the surest first.

    Returns:
        of each palm (8,), in shares of the network's square: box centre, box size, wrist, and
        the middle finger's knuckle, each right and down.
    """
    likely = np.flatnonzero(logits > math.log(sure / (1 - sure)))
    likely = likely[np.argsort(-logits[likely])]
    places = codes[likely].reshape(-1, 9, 2) / PALM_SIZE
    places[:, 0] += anchors()[likely]
    places[:, 2:] += anchors()[likely, None]
    kept: list[NDArray[np.float32]] = []
    for centre, size, wrist, knuckle in places[:, [0, 1, 2, 4]]:
        if all(np.abs(centre - palm[:2]).max() > max(palm[2:4].max(), *size) / 2 for palm in kept):
            kept.append(np.concatenate([centre, size, wrist, knuckle]))
    return kept


@lru_cache(maxsize=1)
def anchors() -> NDArray[np.float32]:
    """(2016, 2): the centres, right and down, that places are told from."""
    layers = []
    for cells, boxes in CELLS:
        centres = (np.arange(cells) + 0.5) / cells
        down, right = np.meshgrid(centres, centres, indexing="ij")
        layers.append(np.stack([right, down], -1).reshape(-1, 2).repeat(boxes, axis=0))
    return np.concatenate(layers).astype(np.float32)


def _palm_square(palm: NDArray[np.floating]) -> Square:
    """The square that holds the hand of a palm (8,) in pixels, see `read_palms`."""
    centre, wrist, knuckle = palm[:2], palm[4:6], palm[6:]
    size = palm[2:4]
    turn = _turn(wrist, knuckle)
    shift = RAISED * float(size[1])
    x = float(centre[0]) + shift * math.sin(turn)
    y = float(centre[1]) - shift * math.cos(turn)
    return Square(x, y, AROUND_PALM * float(size.max()), turn)


def _turn(wrist: NDArray[np.floating], fingers: NDArray[np.floating]) -> float:
    """Radians clockwise from straight up to the way from the wrist to the fingers."""
    right, down = fingers - wrist
    return math.atan2(float(right), -float(down))


def _rotation(turn: float) -> NDArray[np.float64]:
    """Turns (right, down) clockwise."""
    cos, sin = math.cos(turn), math.sin(turn)
    return np.array([[cos, -sin], [sin, cos]])


def _placement(square: Square) -> NDArray[np.float64]:
    """(2, 3): from pixels of the upright crop to pixels of the picture."""
    linear = _rotation(square.turn) * (square.side / HAND_SIZE)
    middle = np.array([square.x, square.y]) - linear @ np.full(2, HAND_SIZE / 2)
    return np.column_stack([linear, middle])
