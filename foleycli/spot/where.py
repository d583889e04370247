"""Where a thing stands, from its box in the picture: left or right, and how far away."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from foleycli.sight.sightings import Box, Hand, Person, Sighting

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
# Metres between two of MoveNet's joints of a person who faces the camera: eyes, ears, shoulders,
# shoulder to hip, hip to ankle. Who turns away is taken for farther; the nearest of all counts.
SPANS = (
    *((1, 2, 0.065), (3, 4, 0.15), (5, 6, 0.36), (5, 11, 0.5), (6, 12, 0.5), (11, 15, 0.85)),
    (12, 16, 0.85),
)
JOINT = 0.3  # score from which a joint is believed
HAND = 0.18  # metres from the wrist to the tip of the middle finger
WRIST, MIDDLE = 0, 12  # of a hand's points
SAME_SIDE, SAME_WAY = 0.1, 1.25  # of pans and of distances: closer is the same place


def pan_of(box: Box) -> float:
    """-1 at the left edge of the picture to 1 at the right, of the middle of a box."""
    return max(-1.0, min(1.0, box[0] + box[2] - 1.0))


def distance_of(name: str, box: Box) -> float:
    """Metres from the camera to a thing that fills so much of the picture's height; 0: unknown."""
    if name not in HEIGHTS:
        return 0.0
    share = max(1e-3, box[3] - box[1])
    return min(FARTHEST, HEIGHTS[name] / (2 * share * math.tan(ANGLE / 2)))


def shot_distance(looks: Sequence[Sighting]) -> float:
    """Metres from the camera to what a shot shows, which says what kind of shot it is: a close-up
    is nearer than 1 m, a medium shot 3 m, a wide one farther. 0 where nothing of a known size is
    seen. People count before hands, hands before things.
    """
    kinds = (_people, _hands, _things)
    for kind in kinds:
        nearest = [min(found) for look in looks if (found := list(kind(look)))]
        if nearest:
            return min(FARTHEST, float(np.median(nearest)))
    return 0.0


def _people(look: Sighting) -> Iterator[float]:
    return (found for person in look.people if (found := _person(person, look.aspect)))


def _person(person: Person, aspect: float) -> float:
    known = [
        _away(size, person.joints[one], person.joints[other], aspect)
        for one, other, size in SPANS
        if min(person.joints[one, 2], person.joints[other, 2]) >= JOINT
    ]
    return min(known, default=0.0)


def _hands(look: Sighting) -> Iterator[float]:
    return (_hand(hand, look.aspect) for hand in look.hands)


def _hand(hand: Hand, aspect: float) -> float:
    return _away(HAND, hand.points[WRIST], hand.points[MIDDLE], aspect)


def _away(size: float, one: np.ndarray, other: np.ndarray, aspect: float) -> float:
    """Metres to what is so large and goes from one point of the picture to another."""
    share = math.hypot((one[0] - other[0]) * aspect, one[1] - other[1])
    return size / (2 * max(1e-3, share) * math.tan(ANGLE / 2))


def _things(look: Sighting) -> Iterator[float]:
    return (
        distance_of(thing.name, thing.box)
        for thing in look.things
        if thing.name in HEIGHTS and thing.score >= JOINT
    )


def steady_places(places: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Pans and distances that follow one another, without what may be noise: medians of three, and
    what hardly differs stays as it was."""
    steady: list[dict[str, float]] = []
    for i in range(len(places)):
        near = [place for place in places[max(0, i - 1) : i + 2] if place]
        if not near:
            steady.append({})
            continue
        place = {name: float(np.median([one[name] for one in near])) for name in near[0]}
        last = steady[-1] if steady else {}
        steady.append(last if last and _is_same(last, place) else place)
    return steady


def _is_same(one: dict[str, float], other: dict[str, float]) -> bool:
    low, high = sorted((one["distance"], other["distance"]))
    return abs(one["pan"] - other["pan"]) < SAME_SIDE and high <= SAME_WAY * low
