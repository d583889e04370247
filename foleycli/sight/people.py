"""Up to six people and their joints: MoveNet MultiPose Lightning (Google, Apache-2.0)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foleycli.models.sessions import open_session
from foleycli.sight.sightings import Person

MODEL = Path(__file__).parent.parent / "models" / "sight" / "movenet_multipose.onnx"
LONGEST = 256  # pixels of the longer side; the shorter one follows, in steps of 32
STEP = 32
LEAST = 0.3  # score from which somebody is told; a puppy reaches that, people are over .4
JOINTS = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow "
    "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle"
).split()
"""COCO's, left and right as the person has them."""


class PeopleDetector:
    """Finds people's joints in pictures; 17 ms of one core for a square one, 10 for 16:9."""

    def __init__(self) -> None:
        self._session = open_session(MODEL)

    def find(self, picture: NDArray[np.uint8], least: float = LEAST) -> tuple[Person, ...]:
        """The people in a picture (height, width, 3), the surest first."""
        height, width = picture.shape[:2]
        scale = LONGEST / max(height, width)
        tall, wide = max(1, round(height * scale)), max(1, round(width * scale))
        padded = np.zeros((-(-tall // STEP) * STEP, -(-wide // STEP) * STEP, 3), np.int32)
        small = Image.fromarray(picture).resize((wide, tall), Image.Resampling.BILINEAR)
        padded[:tall, :wide] = np.asarray(small)
        found = np.asarray(self._session.run(["Identity:0"], {"input:0": padded[None]})[0])[0]
        grown = np.array([padded.shape[1] / wide, padded.shape[0] / tall], np.float32)
        found = found[found[:, 55] >= least]
        return tuple(_person(row, grown) for row in found[np.argsort(-found[:, 55])])


def _person(row: NDArray[np.float32], grown: NDArray[np.float32]) -> Person:
    """A row (56,) of the network's: 17 times y, x, score; top, left, bottom, right; score."""
    joints = row[:51].reshape(17, 3)[:, [1, 0, 2]].copy()
    joints[:, :2] *= grown
    top, left, bottom, right = row[51:55]
    corners = np.clip(np.array([left, top, right, bottom]) * np.tile(grown, 2), 0, 1)
    box = (float(corners[0]), float(corners[1]), float(corners[2]), float(corners[3]))
    return Person(joints, float(row[55]), box)
