"""What a stretch of film shows: a scene, whose sounds are known, a place, and materials.

Each class of picture and each kind of thing is a witness (``evidence.csv``): it says, with weights
in tenths, for which scenes, places and materials it speaks, also where it is itself a mistake: a
broom, a barrel and a hatchet together say that somebody chops wood in a yard. Witnesses that say
the same are one. What each says is its weight times the logarithm of how much more of it is seen
than chance would show, and what they say is added up, as in a naive Bayes classifier.
``scenes.csv`` has the sounds of a scene, the main one first, and ``places.csv`` what is heard in
the background of a place.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foleycli.config import FEATURES
from foleycli.sight.sightings import Sighting
from foleycli.spot.phrases import (
    STRIKES,
    Phrase,
    known_phrase,
    other_words,
    phrase_of,
    said_names,
)

CHANCE = 0.02  # probability of a class that is worth a mention
EACH_BY_CHANCE = 0.0005  # of every one of many classes that say the same
THING_CHANCE = 0.1  # score of a thing that is
LEAST = 0.005  # of what is seen, that is worth a mention
CLASSES = 1000
SOUNDS_ITSELF = 0.5  # weight from which a scene's sound may come from a thing
SPEAKS_ALONE = 0.7  # weight from which a thing's name stands for a scene
AFTER_A_NOUN = re.compile(
    r"\b(?:across|against|along|around|at|behind|by|down|from|in|inside|into|near|of|on|onto|over"
    r"|past|through|to|towards|under|up|with)\b"
)
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Line:
    """A sound of a scene."""

    phrase: Phrase
    level_db: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """Something that is often seen, and how it sounds.

    ``moves``: it is heard only where something moves.
    """

    name: str
    moves: bool
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is, and what is heard in the background there."""

    name: str
    air: Line
    room: str = ""  # of `foleycli.waveform.rooms`


class Witnesses(NamedTuple):
    """What classes and things speak for: rows that say the same are one."""

    groups: NDArray[np.intp]  # (witnesses,): the group of each
    weights: NDArray[np.float32]  # (groups, hypotheses)

    def weigh(self, seen: NDArray[np.floating], chance: NDArray[np.floating]) -> Scores:
        """(n, witnesses) -> (n, hypotheses): evidence for each, 0 where nothing speaks for it."""
        shares = np.zeros((len(self.weights), len(seen)), np.float64)
        np.add.at(shares, self.groups, (seen / chance).T)
        # a hundred kinds of dog have some share of every picture that is like none
        many = np.bincount(self.groups, minlength=len(self.weights)) * EACH_BY_CHANCE / CHANCE
        shares /= np.maximum(1.0, many)[:, None]
        return (np.log1p(shares).T @ self.weights).astype(np.float32)

    def strongest(self, seen: NDArray[np.floating], hypothesis: int, most: int = 3) -> list[int]:
        """Which witnesses (of one row of ``seen``) speak for a hypothesis most."""
        said = seen * self.weights[self.groups, hypothesis]
        return [int(i) for i in np.argsort(-said, kind="stable")[:most] if said[i] > 0]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was seen in a film, as scores of scenes, places and materials, row by row.

    Attributes:
        scenes: (rows, scenes), and likewise places and materials.
        seen: (rows, witnesses), for words about why.
    """

    scenes: Scores
    places: Scores
    materials: Scores
    seen: NDArray[np.float32]

    def why(self, rows: slice, scene: int) -> str:
        """In words what speaks for a scene: "hatchet .31, barrel .12"."""
        return self._said_by(scene_witnesses(), rows, scene)

    def why_place(self, rows: slice, place: int) -> str:
        """The same of a place."""
        return self._said_by(place_witnesses(), rows, place)

    def why_material(self, rows: slice, material: int) -> str:
        """The same of what something is made of."""
        return self._said_by(material_witnesses(), rows, material)

    def _said_by(self, witnesses: Witnesses, rows: slice, hypothesis: int) -> str:
        mean = self.seen[rows].mean(axis=0)
        names = witness_names()
        found = [i for i in witnesses.strongest(mean / _chance(), hypothesis) if mean[i] >= LEAST]
        return ", ".join(f"{names[i]} {mean[i]:.2f}".replace(" 0.", " .") for i in found)


def gather_evidence(
    classes: NDArray[np.floating],
    sightings: Sequence[Sighting] = (),
    dark: NDArray[np.bool_] | None = None,
    frame_rate: int = FEATURES.frame_rate,
    reach: int = 0,
) -> Evidence:
    """What is seen, as evidence.

    Args:
        classes: (rows, 1000) ImageNet probabilities.
        sightings: of things, each of which holds for the rows until the next.
        dark: (rows,), where lights in the dark look like spiders and jellyfish.
        frame_rate: rows a second.
        reach: rows to either side whose mean a row is, so that a glimpse is no scene.
    """
    things = _things_seen(sightings, len(classes), frame_rate)
    seen = np.concatenate([np.asarray(classes, np.float32), things], axis=1)
    if reach:
        seen = _smoothed(seen, reach)
    scenes = scene_witnesses().weigh(seen, _chance())
    if dark is not None and dark.any():
        scenes = np.where(dark[:, None], night_witnesses().weigh(seen, _chance()), scenes)
    places, materials = (
        w.weigh(seen, _chance()) for w in (place_witnesses(), material_witnesses())
    )
    return Evidence(scenes, places, materials, seen)


def asked_lines(words: str) -> tuple[Line, ...]:
    """The sounds that words ask for: those of known phrases, of a scene or of what is seen in one
    where the words name it ("snowmobile"), or the words themselves."""
    if names := said_names(words):
        lines = [line for name in names for line in _lines(other_words().get(name, name))]
        return tuple({line.phrase: line for line in reversed(lines)}.values())[::-1]
    if STRIKES.match(words):
        return (Line(phrase_of(words)),)
    named = [
        scene
        for part in AFTER_A_NOUN.split(words.lower())
        if (scene := _named_scene([_singular(word) for word in re.findall(r"[a-z]+", part)]))
    ]
    sounding = [scene.lines for scene in named if scene.lines]
    return sounding[0] if sounding else () if named else (Line(phrase_of(words)),)


def _named_scene(said: Sequence[str]) -> Scene | None:
    """The scene that words name, the last word first: a fire truck is a truck."""
    scenes = {scene.name: scene for scene in all_scenes()}
    for word in reversed(said):
        if word in scenes:
            return scenes[word]
    spoken, names = scene_witnesses(), witness_names()
    named = [i for i, name in enumerate(names) if set(name.lower().split()) <= set(said)]
    for witness in sorted(named, key=lambda i: -len(names[i])):
        weights = spoken.weights[spoken.groups[witness]]
        if weights.max() >= SPEAKS_ALONE:
            return all_scenes()[int(weights.argmax())]
    return None


@lru_cache(maxsize=512)
def things_of(scene: Scene) -> frozenset[str]:
    """The things that a scene's sound may come from: those that speak for it loudly; of a scene
    that is none of ours, those that it names."""
    if scene not in all_scenes():
        said = {_singular(word) for word in scene.name.split()}
        return frozenset(n for n in witness_names()[CLASSES:] if set(n.lower().split()) <= said)
    column = all_scenes().index(scene)
    spoken = scene_witnesses()
    weights = spoken.weights[spoken.groups[CLASSES:], column]
    names = witness_names()[CLASSES:]
    return frozenset(n for n, w in zip(names, weights, strict=True) if w >= SOUNDS_ITSELF)


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _things_seen(sightings: Sequence[Sighting], rows: int, frame_rate: int) -> NDArray[np.float32]:
    """(rows, things): the best score of each kind of thing in the last picture looked at."""
    seen = np.zeros((rows, len(witness_names()) - CLASSES), np.float32)
    column = {name: i for i, name in enumerate(witness_names()[CLASSES:])}
    looked = [s for s in sightings if "things" in s.looked_for]
    starts = [min(rows, round(at.time * frame_rate)) for at in looked]
    for at, first, last in zip(looked, starts, [*starts[1:], rows], strict=False):
        for thing in at.things:
            if thing.name in column:
                cell = seen[first:last, column[thing.name]]
                np.maximum(cell, thing.score, out=cell)
    return seen


def _smoothed(seen: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    sums = np.concatenate([np.zeros_like(seen[:1]), seen.cumsum(axis=0, dtype=np.float32)])
    rows = np.arange(len(seen))
    low, high = np.maximum(rows - reach, 0), np.minimum(rows + reach + 1, len(seen))
    return ((sums[high] - sums[low]) / (high - low)[:, None]).astype(np.float32)


@lru_cache(maxsize=1)
def _chance() -> NDArray[np.float32]:
    things = len(witness_names()) - CLASSES
    return np.array([CHANCE] * CLASSES + [THING_CHANCE] * things, np.float32)


@lru_cache(maxsize=1)
def all_scenes() -> tuple[Scene, ...]:
    """The rows of ``scenes.csv``."""
    return tuple(
        Scene(row["name"], row["moves"] == "yes", _lines(row["sounds"]))
        for row in _rows("scenes.csv")
    )


@lru_cache(maxsize=1)
def all_places() -> tuple[Place, ...]:
    """The rows of ``places.csv``."""
    return tuple(
        Place(row["name"], Line(known_phrase(row["air"]), float(row["level_db"])), row["room"])
        for row in _rows("places.csv")
    )


@lru_cache(maxsize=1)
def materials() -> tuple[str, ...]:
    """What struck things are made of."""
    return tuple(sorted({row["material"] for row in _rows("evidence.csv")} - {""}))


@lru_cache(maxsize=1)
def witness_names() -> tuple[str, ...]:
    """ImageNet's 1000 classes, in their order, then COCO's things."""
    return tuple(row["name"] for row in _rows("evidence.csv"))


@lru_cache(maxsize=1)
def scene_witnesses() -> Witnesses:
    """What speaks for which scene."""
    return _witnesses([row["scenes"] for row in _rows("evidence.csv")], _scene_names())


@lru_cache(maxsize=1)
def night_witnesses() -> Witnesses:
    """The same in the dark."""
    spoken = [row["night"] or row["scenes"] for row in _rows("evidence.csv")]
    return _witnesses(spoken, _scene_names())


@lru_cache(maxsize=1)
def place_witnesses() -> Witnesses:
    """What speaks for which place."""
    names = [place.name for place in all_places()]
    return _witnesses([row["places"] for row in _rows("evidence.csv")], names)


@lru_cache(maxsize=1)
def material_witnesses() -> Witnesses:
    """What speaks for which material."""
    spoken = [f"{row['material']}:10" if row["material"] else "" for row in _rows("evidence.csv")]
    return _witnesses(spoken, materials())


def _witnesses(spoken: Sequence[str], names: Sequence[str]) -> Witnesses:
    column = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(spoken), len(names)), np.float32)
    for row, words in zip(table, spoken, strict=True):
        for word in words.split():
            name, _, tenths = word.partition(":")
            row[column[name]] = int(tenths) / 10
    weights, groups = np.unique(table, axis=0, return_inverse=True)
    return Witnesses(groups.ravel(), weights)


def _scene_names() -> list[str]:
    return [scene.name for scene in all_scenes()]


def _lines(sounds: str) -> tuple[Line, ...]:
    """The sounds of a row, "rain @-6; thunder"."""
    return tuple(_line(words) for words in sounds.split(";") if words.strip())


def _line(words: str) -> Line:
    name, _, level = words.partition("@")
    return Line(known_phrase(name.strip()), float(level or 0))


@lru_cache(maxsize=4)
def _rows(name: str) -> tuple[dict[str, str], ...]:
    with (files("foleycli.spot") / name).open(encoding="utf-8") as file:
        return tuple(csv.DictReader(file))
