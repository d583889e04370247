"""Where a thing stands, from its box in the picture: left or right, and how far away."""

import math

from foleycli.sight.sightings import Box

# Metres that things are high, roughly; a box that leaves the picture is nearer than it says.
HEIGHTS = {
    "person": 1.7, "bicycle": 1.1, "car": 1.5, "motorcycle": 1.2, "airplane": 6.0, "bus": 3.2,
    "train": 4.0, "truck": 3.2, "boat": 2.5, "bird": 0.2, "cat": 0.3, "dog": 0.6, "horse": 1.9,
    "sheep": 0.9, "cow": 1.5, "elephant": 3.0, "bear": 1.4, "zebra": 1.6, "giraffe": 5.0,
    "sports ball": 0.22, "skateboard": 0.15, "bottle": 0.25, "cup": 0.1, "chair": 0.9,
    "couch": 0.9, "dining table": 0.8, "tv": 0.6, "laptop": 0.25, "keyboard": 0.05, "knife": 0.05,
}  # fmt: skip
ANGLE = math.radians(40)  # a picture is this high, seen from the camera: 50 mm on Super 35 has 27
FARTHEST = 200.0  # metres


def pan_of(box: Box) -> float:
    """-1 at the left edge of the picture to 1 at the right, of the middle of a box."""
    return max(-1.0, min(1.0, box[0] + box[2] - 1.0))


def distance_of(name: str, box: Box) -> float:
    """Metres from the camera to a thing that fills so much of the picture's height; 0: unknown."""
    if name not in HEIGHTS:
        return 0.0
    share = max(1e-3, box[3] - box[1])
    return min(FARTHEST, HEIGHTS[name] / (2 * share * math.tan(ANGLE / 2)))
