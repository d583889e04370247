"""What is the same thing from one look to the next: numbers that boxes keep while they move."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from foleycli.sight.sightings import Box

FORGET = 3  # seconds after which what was not seen again is another one
NEAR = 1.5  # lengths of its own box that something may move between two looks
ALIKE = 2.0  # times that its box may grow or shrink


@dataclass(slots=True)
class _Known:
    number: int
    kind: str
    box: Box
    time: Fraction


class Identities:
    """Gives boxes numbers: the old one where kind, place and size say that it is the same."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._known: list[_Known] = []

    def number(self, kinds: Sequence[str], boxes: Sequence[Box], time: Fraction) -> list[int]:
        """The numbers of what is seen at a time, later than any before, the surest first."""
        self._known = [known for known in self._known if time - known.time <= FORGET]
        likeness = sorted(
            (
                (-_likeness(known.box, box), i, j)
                for i, box in enumerate(boxes)
                for j, known in enumerate(self._known)
                if known.kind == kinds[i]
            )
        )
        taken: dict[int, _Known] = {}
        for value, i, j in likeness:
            known = self._known[j]
            if value < 0 and i not in taken and all(known is not other for other in taken.values()):
                taken[i] = known
        return [
            self._seen(taken.get(i), kind, box, time)
            for i, (kind, box) in enumerate(zip(kinds, boxes, strict=True))
        ]

    def forget(self) -> None:
        """After a cut, everything is another one."""
        self._known.clear()

    def _seen(self, known: _Known | None, kind: str, box: Box, time: Fraction) -> int:
        if known is None:
            known = _Known(next(self._numbers), kind, box, time)
            self._known.append(known)
        known.box, known.time = box, time
        return known.number


def _likeness(one: Box, other: Box) -> float:
    """Over 0 where two boxes may hold the same: up to 1 by nearness, up to 2 by what they share."""
    a, b = np.array(one), np.array(other)
    sizes = np.maximum(a[2:] - a[:2], 1e-6), np.maximum(b[2:] - b[:2], 1e-6)
    grown = float(np.sqrt(np.prod(sizes[0]) / np.prod(sizes[1])))
    if max(grown, 1 / grown) > ALIKE:
        return 0.0
    shared = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    union = np.prod(sizes[0]) + np.prod(sizes[1]) - shared
    away = np.abs(a[:2] + a[2:] - b[:2] - b[2:]) / 2 / np.maximum(*sizes)
    near = 1 - float(np.hypot(*away)) / NEAR
    return max(0.0, near) + float(shared / union)
