"""When to look for what: detectors are only asked where a look pays.

Eight times a second at most a picture is compared with the one before. Things are looked for about
once a second while the picture changes, and at once after a cut. People are looked for four times
a second while somebody is there and moves, hands eight times while one is there and moves. A film
without people costs some .3 s of one core for 10 s, with people 1.5 s at most.
"""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from foleycli.frames.decode import Picture
from foleycli.sight.hands import HandDetector, Square, follow
from foleycli.sight.identity import Identities
from foleycli.sight.people import PeopleDetector
from foleycli.sight.sightings import Box, Hand, Person, Sighting, Thing
from foleycli.sight.things import ThingDetector

ROWS, COLUMNS = 9, 16  # cells in which the picture is compared
TICK = Fraction(11, 100)  # seconds between two comparisons, and two looks at a hand
THINGS_EVERY, THINGS_STILL = Fraction(5, 4), 5  # seconds between looks, moving and nearly still
THINGS_SAVED = Fraction(5, 2)  # seconds without a look that are made up for, at cuts
PEOPLE_EVERY, PEOPLE_STILL = Fraction(23, 100), 1
PALMS_EVERY, PALMS_ALONE = Fraction(3, 4), Fraction(5, 2)  # with somebody there, and without
PALMS_LOST = Fraction(1, 3)  # after a hand was lost
CHANGED = 2.0  # levels, the whole picture's mean, from which it is another one to look at
MOVES = 2.0  # levels of a cell that moves
CUT = 0.4  # share of what two pictures hold that the other does not, from which there is a cut
NOISE = 6.0  # levels of difference that hold nothing
SOMEBODY = 0.25  # score of a person from which joints and hands are looked for
REMEMBER = 2  # seconds for which somebody who was seen is still there
MOST_HANDS = 4

Luma = NDArray[np.uint8]
Color = NDArray[np.uint8]


class Watcher:
    """Feed it every picture in order of time; it looks at some, and keeps what it saw."""

    def __init__(self) -> None:
        self.sightings: list[Sighting] = []
        self._compared: Fraction | None = None  # when a picture was last taken
        self._before: Luma | None = None
        self._looked_at: Luma | None = None  # when things were last looked for
        self._last: dict[str, Fraction] = {}
        self._paid = -THINGS_SAVED  # until when the looks at things are spread out
        self._somebody: Fraction | None = None
        self._people: tuple[Person, ...] = ()
        self._hands: tuple[Hand, ...] = ()
        self._names = {kind: Identities() for kind in ("things", "people", "hands")}

    @cached_property
    def _things_in(self) -> ThingDetector:
        return ThingDetector()

    @cached_property
    def _people_in(self) -> PeopleDetector:
        return PeopleDetector()

    @cached_property
    def _hands_in(self) -> HandDetector:
        return HandDetector()

    def push(self, picture: Picture) -> None:
        """Take the next picture, and look at it if that pays."""
        if self.takes(picture):
            self.look(picture)

    def takes(self, picture: Picture) -> bool:
        """Whether the next picture is to be handed to `look`; others come too soon.

        May be asked in another thread than the one that looks.
        """
        since = None if self._compared is None else picture.time - self._compared
        if picture.larger is None or (since is not None and since < TICK):
            return False
        self._compared = picture.time
        return True

    def look(self, picture: Picture) -> None:
        """Compare a picture with the one before, and look for what is due."""
        time, larger = picture.time, picture.larger
        assert larger is not None
        before = picture.luma if self._before is None else self._before
        self._before = picture.luma
        moved = _cells(before, picture.luma)
        if (moved > MOVES).all() and _is_cut(before, picture.luma):
            self._forget()
        color: list[Color] = []

        def colored() -> Color:
            if not color:
                color.append(larger())
            return color[0]

        looked: dict[str, tuple] = {}
        if self._things_due(time, picture.luma):
            looked["things"] = self._look_for_things(time, colored)
            self._looked_at = picture.luma
        if self._people_due(time, moved):
            looked["people"] = self._look_for_people(time, colored)
        hands = self._look_for_hands(time, moved, colored)
        if hands is not None:
            looked["hands"] = hands
        if looked:
            height, width = colored().shape[:2]
            self.sightings.append(
                Sighting(time, width / height, looked_for=frozenset(looked), **looked)
            )

    def _forget(self) -> None:
        """After a cut nothing is where it was."""
        for kind in ("things", "people"):
            self._last.pop(kind, None)
        self._looked_at = self._somebody = None
        self._people, self._hands = (), ()
        for names in self._names.values():
            names.forget()

    def _since(self, kind: str, time: Fraction) -> float | Fraction:
        return time - self._last[kind] if kind in self._last else float("inf")

    def _things_due(self, time: Fraction, luma: Luma) -> bool:
        since = self._since("things", time)
        if time < self._paid:  # cut upon cut
            return False
        if self._looked_at is None or since < THINGS_EVERY:
            return self._looked_at is None
        changed = float(_cells(self._looked_at, luma).mean())
        return changed > CHANGED or (since >= THINGS_STILL and changed > CHANGED / 4)

    def _look_for_things(self, time: Fraction, colored: Callable[[], Color]) -> tuple[Thing, ...]:
        self._last["things"] = time
        self._paid = max(self._paid, time - THINGS_SAVED) + THINGS_EVERY
        things = self._things_in.find(colored())
        names = [thing.name for thing in things]
        if any(thing.name == "person" and thing.score >= SOMEBODY for thing in things):
            self._somebody = time
        numbers = self._names["things"].number(names, [thing.box for thing in things], time)
        return tuple(replace(t, track=n) for t, n in zip(things, numbers, strict=True))

    def _is_somebody_there(self, time: Fraction) -> bool:
        return self._somebody is not None and time - self._somebody <= REMEMBER

    def _people_due(self, time: Fraction, moved: NDArray[np.float32]) -> bool:
        if not self._is_somebody_there(time):
            self._people = ()
            return False
        since = self._since("people", time)
        if since < PEOPLE_EVERY:
            return False
        where = [person.box for person in self._people]
        return since >= PEOPLE_STILL or any(_moves(moved, box) for box in where)

    def _look_for_people(self, time: Fraction, colored: Callable[[], Color]) -> tuple[Person, ...]:
        self._last["people"] = time
        people = self._people_in.find(colored())
        if people:
            self._somebody = time
        boxes = [person.box for person in people]
        numbers = self._names["people"].number(["person"] * len(people), boxes, time)
        self._people = tuple(replace(p, track=n) for p, n in zip(people, numbers, strict=True))
        return self._people

    def _look_for_hands(
        self, time: Fraction, moved: NDArray[np.float32], colored: Callable[[], Color]
    ) -> tuple[Hand, ...] | None:
        """Hands that are followed, and new ones now and then; None where nobody looked."""
        stirred = bool((moved > MOVES).any())
        follows = [hand for hand in self._hands if _moves(moved, _hand_box(hand))]
        every = PALMS_EVERY if self._is_somebody_there(time) or self._hands else PALMS_ALONE
        searches = stirred and self._since("palms", time) >= every
        searches = searches and len(self._hands) < MOST_HANDS
        if not follows and not searches:
            return None
        picture = colored()
        height, width = picture.shape[:2]
        hands = []
        for hand in self._hands:
            if all(hand is not moving for moving in follows):
                hands.append(hand)
            elif seen := self._hands_in.read(picture, follow(hand, width, height)):
                hands.append(seen)
        lost = len(hands) < len(self._hands) and self._since("palms", time) >= PALMS_LOST
        if searches or lost:
            self._last["palms"] = time
            hands += self._new_hands(picture, hands)
        hands = _apart(hands)[:MOST_HANDS]
        boxes = [_hand_box(hand) for hand in hands]
        numbers = self._names["hands"].number(["hand"] * len(hands), boxes, time)
        self._hands = tuple(replace(h, track=n) for h, n in zip(hands, numbers, strict=True))
        if self._hands:
            self._somebody = time
        return self._hands

    def _new_hands(self, picture: Color, known: list[Hand]) -> list[Hand]:
        """Hands in the whole picture that are not followed yet."""
        height, width = picture.shape[:2]
        new = []
        for square in self._hands_in.find_palms(picture)[:MOST_HANDS]:
            if any(_is_within(square, hand, width, height) for hand in known):
                continue
            if hand := self._hands_in.read(picture, square):
                new.append(hand)
        return new


def _cells(one: Luma, other: Luma) -> NDArray[np.float32]:
    """Mean difference of two pictures (90, 160) in each of 9 x 16 cells, in levels."""
    return _means(np.maximum(one, other) - np.minimum(one, other))


def _means(luma: Luma) -> NDArray[np.float32]:
    """Mean level of each of 9 x 16 cells of a picture (90, 160)."""
    height, width = luma.shape
    rows = luma.reshape(height, COLUMNS, width // COLUMNS).sum(axis=2, dtype=np.uint16)
    sums = rows.reshape(ROWS, height // ROWS, COLUMNS).sum(axis=1, dtype=np.uint32)
    return (sums / (height // ROWS * (width // COLUMNS))).astype(np.float32)


def _is_cut(one: Luma, other: Luma) -> bool:
    """Whether two pictures have little in common; coarse, so that a camera may move between them.

    Cuts to the frame are found later, by `foleycli.clip.shots`, which waits for what follows.
    """
    before, after = _means(one), _means(other)
    apart = float(np.var(before - after))
    return apart > CUT * (float(np.var(before) + np.var(after)) + NOISE**2)


def _moves(moved: NDArray[np.float32], box: Box) -> bool:
    """Whether a cell that a box touches moves."""
    left, top, right, bottom = np.clip(box, 0, 1)
    rows = slice(int(top * ROWS), max(int(np.ceil(bottom * ROWS)), int(top * ROWS) + 1))
    columns = slice(
        int(left * COLUMNS), max(int(np.ceil(right * COLUMNS)), int(left * COLUMNS) + 1)
    )
    return bool((moved[rows, columns] > MOVES).any())


def _hand_box(hand: Hand) -> Box:
    (left, top), (right, bottom) = hand.points[:, :2].min(axis=0), hand.points[:, :2].max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def _is_within(square: Square, hand: Hand, width: int, height: int) -> bool:
    """Whether the middle of a square lies in the box of a hand."""
    left, top, right, bottom = _hand_box(hand)
    return left <= square.x / width <= right and top <= square.y / height <= bottom


def _apart(hands: list[Hand]) -> list[Hand]:
    """Without those that follow the same hand as a surer one."""
    kept: list[Hand] = []
    for hand in sorted(hands, key=lambda hand: -hand.presence):
        middle, size = hand.points[:, :2].mean(axis=0), np.ptp(hand.points[:, :2], axis=0).max()
        if all(
            np.abs(middle - other.points[:, :2].mean(axis=0)).max() > size / 3 for other in kept
        ):
            kept.append(hand)
    return kept
