"""Where a thing stands, from its box in the picture: left or right, and how far away."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from foleycli.config import SPACE
from foleycli.sight.sightings import Box, Hand, Person, Sighting

# Metres that things are high, roughly; a box that leaves the picture is nearer than it says.
HEIGHTS = {
    "person": 1.7, "bicycle": 1.1, "car": 1.5, "motorcycle": 1.2, "airplane": 6.0, "bus": 3.2,
    "train": 4.0, "truck": 3.2, "boat": 2.5, "traffic light": 0.9, "fire hydrant": 0.75,
    "stop sign": 0.75, "parking meter": 1.3, "bench": 0.85, "bird": 0.2, "cat": 0.3, "dog": 0.6,
    "horse": 1.9, "sheep": 0.9, "cow": 1.5, "elephant": 3.0, "bear": 1.4, "zebra": 1.6,
    "giraffe": 5.0, "backpack": 0.45, "handbag": 0.3, "suitcase": 0.6, "sports ball": 0.22,
    "bottle": 0.25, "wine glass": 0.2, "cup": 0.1, "bowl": 0.09, "apple": 0.08, "orange": 0.08,
    "chair": 0.9, "couch": 0.9, "potted plant": 0.5, "toilet": 0.75, "tv": 0.6, "microwave": 0.3,
    "oven": 0.9, "toaster": 0.2, "refrigerator": 1.7, "clock": 0.3, "vase": 0.3, "teddy bear": 0.35,
}  # fmt: skip
# Metres along the longer side, of what lies as often as it stands.
LENGTHS = {
    "frisbee": 0.27, "skis": 1.7, "snowboard": 1.5, "skateboard": 0.8, "surfboard": 2.0,
    "baseball bat": 0.8, "tennis racket": 0.68, "knife": 0.3, "fork": 0.2, "spoon": 0.2,
    "laptop": 0.34, "keyboard": 0.44, "mouse": 0.11, "remote": 0.18, "cell phone": 0.14,
    "scissors": 0.18, "toothbrush": 0.19, "book": 0.24,
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
THING = 0.5  # and a thing, where nothing else says how near the shot is
# Of the picture's height that what stops fills in the usual shot of it, without a name
USUAL_SIZE = 0.2
HAND = 0.18  # metres from the wrist to the tip of the middle finger
WRIST, MIDDLE = 0, 12  # of a hand's points
SAME_SIDE, SAME_WAY = 0.1, 1.25  # of pans and of distances: closer is the same place
SAME_THING = 0.3  # of pans of hits without a name: closer ones are of one thing


def pan_of(box: Box) -> float:
    """-1 at the left edge of the picture to 1 at the right, of the middle of a box."""
    return max(-1.0, min(1.0, box[0] + box[2] - 1.0))


def distance_of(name: str, box: Box, aspect: float = 16 / 9) -> float:
    """Metres from the camera to a thing that fills so much of the picture; 0: unknown.

    Args:
        aspect: width / height of the picture.
    """
    if name in HEIGHTS:
        return _seen_from(HEIGHTS[name], box[3] - box[1])
    if name in LENGTHS:
        return _seen_from(LENGTHS[name], max(box[3] - box[1], (box[2] - box[0]) * aspect))
    return 0.0


def moving_distance(size: float, usual: float) -> float:
    """Metres to what moves and has no name, by its size in picture heights; 0: unknown.

    Nobody knows how large it is, so it is at the usual distance of its layer where it has the usual
    size, and at half of that where it is twice as large.
    """
    if size <= 0:
        return 0.0
    return usual * float(np.clip(USUAL_SIZE / size, 1 / SPACE.nameless, SPACE.nameless))


def shot_distance(looks: Sequence[Sighting], moving: float = 0.0) -> float:
    """Metres from the camera to what a shot shows, which says what kind of shot it is: a close-up
    is nearer than 1 m, a medium shot 3 m, a wide one farther. 0 where nothing of a known size is
    seen. People count before hands, hands before what moves, that before things.

    Args:
        moving: metres to what moves, by its size; 0 where nothing does.
    """
    for kind in (_people, _hands, None, _things):
        if kind is None:
            if moving > 0:
                return moving
            continue
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
    return _seen_from(size, math.hypot((one[0] - other[0]) * aspect, one[1] - other[1]))


def _seen_from(size: float, share: float) -> float:
    """Metres from which what is so large, in metres, fills a share of the picture's height."""
    return min(FARTHEST, size / (2 * max(1e-3, share) * math.tan(ANGLE / 2)))


def _things(look: Sighting) -> Iterator[float]:
    return (
        found
        for thing in look.things
        if thing.score >= THING and (found := distance_of(thing.name, thing.box, look.aspect))
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


def steady_hits(pans: Sequence[float]) -> list[float]:
    """Pans of hits of the same words in one shot, in order of time, without what may be noise.

    Pans that lie close together are one thing: its hits have the median of three that follow one
    another, so that two things each keep their side. A hit that is alone where it is has the median
    of itself and its neighbours: what goes through the picture goes on, what jumps away and back
    does not.
    """
    order = np.argsort(pans, kind="stable")
    apart = np.diff(np.asarray(pans, float)[order]) > SAME_THING
    things = np.empty(len(pans), int)
    things[order] = np.cumsum([0, *apart]) if len(pans) else 0
    steady = list(pans)
    for i, thing in enumerate(things):
        own = np.flatnonzero(things == thing) if (things == thing).sum() > 1 else None
        row = np.arange(len(pans)) if own is None else own
        at = int(np.flatnonzero(row == i)[0])
        if 0 < at < len(row) - 1:
            steady[i] = float(np.median([pans[k] for k in row[at - 1 : at + 2]]))
    return steady


def _is_same(one: dict[str, float], other: dict[str, float]) -> bool:
    low, high = sorted((one["distance"], other["distance"]))
    return abs(one["pan"] - other["pan"]) < SAME_SIDE and high <= SAME_WAY * low
