"""What is seen in a picture beyond its class: things, people and hands, and where they are."""

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # left, top, right, bottom in shares of the picture


@dataclass(frozen=True, slots=True)
class Thing:
    """One of COCO's 80 kinds of things (see `foleycli.sight.things`)."""

    name: str
    score: float  # 0 to 1
    box: Box
    track: int = -1  # the same number in every picture of a shot in which it is the same thing


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody's joints (see `foleycli.sight.people`)."""

    joints: NDArray[np.float32]  # (17, 3): x, y in shares of the picture, score 0 to 1
    score: float
    box: Box
    track: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Hand:
    """A hand's points (see `foleycli.sight.hands`)."""

    points: NDArray[np.float32]  # (21, 3): x, y in shares of the picture, z in shares of its width
    presence: float  # 0 to 1
    handedness: float  # 0 a left hand, 1 a right one
    track: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """What was seen in one picture by those detectors that looked at it.

    A kind that is not in ``looked_for`` was not looked for: that it is empty says nothing.
    """

    time: Fraction  # seconds from the first picture
    aspect: float = 1.0  # width / height of the picture, upright
    things: tuple[Thing, ...] = ()
    people: tuple[Person, ...] = ()
    hands: tuple[Hand, ...] = ()
    looked_for: frozenset[str] = field(default_factory=frozenset)  # of things, people, hands
