"""Which sounds belong to the words of a source: where in the picture is what they name, and what
moves there (``--source``).

Evidence is of three kinds: what ImageNet's classes see in windows onto the picture, things with
their boxes, and people with their feet and hands. For words that none of these names, the whole
picture is followed. What is named and nowhere seen is silent.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file, save_file

from foleycli.config import FEATURES, SELECT, GenerateConfig
from foleycli.errors import UsageError
from foleycli.sight.motion import COLUMNS, ROWS
from foleycli.sight.sightings import Box, Sighting
from foleycli.sight.things import NAMES as THINGS
from foleycli.spot.cues import Cue
from foleycli.spot.features import Features, Selection
from foleycli.spot.find import ASKED, find_cues
from foleycli.spot.phrases import Phrase, split_prompt
from foleycli.spot.scene import (
    CLASSES,
    all_scenes,
    asked_lines,
    scene_witnesses,
    witness_names,
)
from foleycli.spot.text import FOLDER, compute_vector, embed_text
from foleycli.spot.what import Seer

if TYPE_CHECKING:
    from foleycli.sight.words import WordEyes

logger = logging.getLogger("foleycli")

CLASS_NAMES = FOLDER / "class_names.safetensors"
Floats = NDArray[np.float32]
# Windows onto the picture (left, top, right, bottom) in shares: all of it, halves that stand and
# overlap, and quarters that do.
WINDOWS: tuple[Box, ...] = (
    (0.0, 0.0, 1.0, 1.0),
    *((x, 0.0, x + 0.5, 1.0) for x in (0.0, 0.25, 0.5)),
    *((x, y, x + 0.5, y + 0.5) for y in (0.0, 0.25, 0.5) for x in (0.0, 0.25, 0.5)),
)
# Words of what people do, and the part of them that does it.
FEET = re.compile(r"\b(foot|feet|foot\w+|steps?|walk\w*|run(s|ning)?|boots?|heels?)\b")
HANDS = re.compile(r"\b(hands?|typ(es|ing)|keyboard\w*|clap\w*|keys?|writ\w+|finger\w*)\b")
PEOPLE = re.compile(
    r"\b(man|men|woman|women|people|person|boy|girl|child(ren)?|baby|crowd|he|she|his|her|somebody)\b"
)
ANKLES, WRISTS = (15, 16), (9, 10)  # of MoveNet's joints
REACH = 0.12  # share of the picture's width around a joint that belongs to it


class Selector:
    """Gathers evidence of some words while a film goes by; see `choose`.

    Args:
        eyes: what was trained to look for words; None: classes in windows tell.
    """

    def __init__(self, words: Sequence[str], seer: Seer, eyes: "WordEyes | None" = None) -> None:
        self.words = tuple(words)
        self._seer, self._eyes = seer, eyes
        self._weights, self.named = name_classes(self.words)
        self._times: list[float] = []
        self._seen: list[Floats] = []  # (words, windows) each, or (words, places)
        self._sure: list[Floats] = []  # (words,) each, of trained eyes
        self._due = 0.0

    def look(self, time: float, frame: NDArray[np.uint8]) -> None:
        """Take a picture (224, 224, 3) that is shown from a time on, in seconds."""
        if not self.words or time < self._due:
            return
        self._due = time + SELECT.every
        self._times.append(time)
        if self._eyes is not None:
            weights, sure = self._eyes.look(frame)
            self._seen.append(weights.reshape(len(self.words), -1))
            self._sure.append(sure)
            return
        probabilities = self._seer.classify(cut_out(frame))  # (windows, 1000)
        self._seen.append((probabilities @ self._weights.T).T.astype(np.float32))

    def maps(
        self, cuts: Sequence[float], sightings: Sequence[Sighting]
    ) -> tuple[NDArray[np.float64], Floats, list[str]]:
        """Weights of the picture's cells for every words.

        Returns:
            times (t,), weights (words, t, 9, 16) from 0 to 1, and for each words how it was found:
            ``seen``, ``whole`` (nothing here knows such words) or ``unseen``.
        """
        times = np.array(self._times)
        seen = np.stack(self._seen, 1)  # (words, t, windows or places)
        smooth = _steady(times, seen, cuts)
        cover = COVER if self._eyes is None else spread_places(seen.shape[2])
        covered = np.log(smooth + SELECT.least) @ cover.reshape(len(cover), -1)
        covered = covered.reshape(*covered.shape[:2], ROWS, COLUMNS)
        missed = self._missed(seen)
        weights, how = np.ones_like(covered), ["whole"] * len(self.words)
        for i, words in enumerate(self.words):
            boxes = boxes_of(words, times, sightings)
            if boxes is not None and boxes.max() > 0:
                weights[i], how[i] = _spread(boxes), "seen"
            elif missed[i]:
                weights[i], how[i] = 0, "unseen"
            elif (part := _against(covered, i, how)) is not None:
                weights[i], how[i] = part, "seen"
        return times, weights.astype(np.float32), how

    def _missed(self, seen: Floats) -> NDArray[np.bool_]:
        """Whether each words name something that would be seen if it were there, and is not."""
        if self._eyes is not None:
            return np.stack(self._sure, 1).max(axis=1) < SELECT.there
        return (self.named >= SELECT.named) & (seen.max(axis=(1, 2)) < SELECT.seen)


def _against(covered: Floats, i: int, how: list[str]) -> Floats | None:
    """Where the evidence of words i stands out: from that of the other words where there are any,
    and from the picture's usual; None where it is the same all over.

    Of evidence (words, t, 9, 16) in logarithms.
    """
    own = covered[i] - np.median(covered[i], axis=(1, 2), keepdims=True)
    others = [covered[j] for j in range(len(covered)) if j != i and how[j] != "unseen"]
    if others:
        rival = np.max([o - np.median(o, axis=(1, 2), keepdims=True) for o in others], axis=0)
        own = own - rival
    spread = own.max(axis=(1, 2)) - own.min(axis=(1, 2))
    if np.median(spread) < SELECT.contrast:
        return None
    middle = (own.max(axis=(1, 2), keepdims=True) + own.min(axis=(1, 2), keepdims=True)) / 2
    steep = SELECT.steep / np.maximum(spread, 1e-3)[:, None, None]
    return 1 / (1 + np.exp(-steep * (own - middle)))


def choose(
    selector: Selector,
    motion,
    features: Features,
) -> dict[str, Selection]:
    """For every words of a selector its own curves.

    Args:
        motion: a `foleycli.sight.when.MotionReader` that kept what moved where.
        features: of the same film.
    """
    cuts = [float(cut) for cut in features.cuts]
    times, weights, how = selector.maps(cuts, features.sightings)
    found = {}
    for words, part, way in zip(selector.words, weights, how, strict=True):
        if way == "whole":
            places = np.zeros(len(features.hits), np.float32)
            found[words] = Selection(way, features.hits, features.activity, places)
            continue

        def weigh(wanted: NDArray[np.float64], part: Floats = part) -> Floats:
            nearest = np.abs(times[None] - wanted[:, None]).argmin(axis=1)
            return part[nearest]

        if way == "unseen":
            nothing = np.zeros(len(features.hits), np.float32)
            found[words] = Selection(way, nothing, nothing, nothing)
            logger.warning("Nothing of %r is seen: it is silent.", words)
        else:
            hits, activity, places = motion.curves_where(weigh, features.duration)
            found[words] = Selection(way, *(_fitted(c, features) for c in (hits, activity, places)))
    return found


def _fitted(curve: Floats, features: Features) -> Floats:
    fitted = np.zeros(len(features.hits), np.float32)
    fitted[: len(curve)] = curve[: len(fitted)]
    return fitted


def select(features: Features, words: str) -> Features:
    """Features of one source: its own curves in place of the whole picture's."""
    chosen = features.selections[words]
    rows = features.rows.copy()
    begin = FEATURES.what_size
    for curve in (chosen.hits, chosen.activity):
        rows[:, begin : begin + FEATURES.bins] = curve.reshape(len(rows), -1)
        begin += FEATURES.bins
    return replace(features, rows=rows)


def find_asked(features: Features, config: GenerateConfig) -> list[Cue]:
    """The cues of a span: those of every ``--source``, or what is found in the whole picture."""
    if not features.says_what:
        return []
    if not config.source:
        return find_cues(features, config.prompt, air=config.air)
    cues: list[Cue] = []
    for words in config.source:
        if features.selections[words].how == "unseen":
            continue
        places = features.selections[words].places
        for cue in find_cues(select(features, words), words, air=False):
            if not cue.evidence.startswith(ASKED):  # what the scene adds was not asked for
                continue
            at = min(len(places) - 1, round(cue.start * FEATURES.when_rate))
            pan = round(float(np.clip(places[at], -1, 1)), 2) if cue.kind == "hit" else cue.pan
            cues.append(replace(cue, pan=pan, evidence=_evidence(words)))
    return sorted(cues, key=lambda cue: (cue.start, cue.kind, cue.what))


def cues_of(cues: Sequence[Cue], words: str) -> list[Cue]:
    """The cues of one source: those found for it; of a sheet of somebody's own, by their words."""
    named = {phrase.words for phrase in _phrases(words)} | {words}
    found = _evidence(words)
    return [
        cue
        for cue in cues
        if cue.evidence == found or (not cue.evidence.startswith(ASKED) and cue.what in named)
    ]


def _evidence(words: str) -> str:
    return f"{ASKED}: {words}"


def _phrases(words: str) -> list[Phrase]:
    return [line.phrase for part in split_prompt(words) for line in asked_lines(part)]


def check_cues(cues: Sequence[Cue], config: GenerateConfig) -> None:
    """Refuse an edited sheet with a sound that belongs to no source.

    Raises:
        UsageError: naming it.
    """
    if not config.source:
        return
    known = {id(cue) for words in config.source for cue in cues_of(cues, words)}
    for cue in cues:
        if id(cue) not in known:
            raise UsageError(
                f"The cue {cue.what!r} belongs to no --source.", "Name it with --source too."
            )


# Classes


def name_classes(words: Sequence[str]) -> tuple[Floats, Floats]:
    """How much each of ImageNet's classes speaks for words: (words, 1000), the best 1; and how
    well the best class names them, (words,)."""
    if not words:
        return np.zeros((0, 1000), np.float32), np.zeros(0, np.float32)
    names, sounds = class_vectors()
    asked = embed_text(list(words))
    likeness = (asked @ names.T + asked @ sounds.T) / 2
    by_itself = [
        all(phrase.layer in SELECT.by_itself and "impact" not in phrase.words for phrase in phrases)
        for phrases in map(_phrases, words)
    ]
    weights = np.maximum(likeness - SELECT.unlike, 0) ** SELECT.power
    best = weights.max(axis=1, keepdims=True)
    # what sounds when it is touched may be anything: of that none is the name
    named = np.where(by_itself, likeness.max(axis=1), 0).astype(np.float32)
    return (weights / np.maximum(best, 1e-9)).astype(np.float32), named


@lru_cache(maxsize=1)
def class_vectors() -> tuple[Floats, Floats]:
    """Embeddings of the names of ImageNet's classes, and of what they sound like: (1000, 384)."""
    names = load_file(str(CLASS_NAMES))["vectors"].astype(np.float32)
    sounds = [scene.lines[0].phrase.words if scene.lines else "" for scene in all_scenes()]
    vectors = dict(zip(sounds, embed_text(sounds), strict=True))
    witnesses = scene_witnesses()
    spoken = witnesses.weights[witnesses.groups[:CLASSES]]
    heard = [
        vectors[sounds[int(weights.argmax())]] if weights.max() > 0 else name
        for weights, name in zip(spoken, names, strict=True)
    ]
    return names, np.stack(heard)


def keep_class_names() -> None:
    """Write the vectors of the names of the classes, after a change of them."""
    vectors = np.stack([compute_vector(name) for name in witness_names()[:CLASSES]])
    save_file({"vectors": vectors.astype(np.float16)}, CLASS_NAMES)
    CLASS_NAMES.chmod(0o644)


def cut_out(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The windows onto a picture (224, 224, 3), each made as large: (windows, 224, 224, 3)."""
    height, width = frame.shape[:2]
    parts = []
    for left, top, right, bottom in WINDOWS:
        part = frame[
            int(top * height) : int(bottom * height), int(left * width) : int(right * width)
        ]
        image = Image.fromarray(np.ascontiguousarray(part))
        parts.append(np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)))
    return np.stack(parts)


def _cover() -> Floats:
    """(windows, 9, 16): the share of each window in the evidence of a cell; columns sum to 1."""
    share = np.zeros((len(WINDOWS), ROWS, COLUMNS), np.float32)
    down, right = (np.arange(ROWS) + 0.5) / ROWS, (np.arange(COLUMNS) + 0.5) / COLUMNS
    for i, (x0, y0, x1, y1) in enumerate(WINDOWS):
        inside = ((down > y0) & (down < y1))[:, None] & ((right > x0) & (right < x1))
        share[i] = inside / ((x1 - x0) * (y1 - y0))  # a small window says more of where
    return share / share.sum(axis=0)


COVER = _cover()


@lru_cache(maxsize=4)
def spread_places(count: int) -> Floats:
    """(places, 9, 16): the share of each place of a square map in the evidence of a cell, between
    the middles of the nearest ones; columns sum to 1."""
    side = round(count**0.5)
    down, right = (_between(side, cells) for cells in (ROWS, COLUMNS))
    return np.einsum("id,jr->ijdr", down, right).reshape(count, ROWS, COLUMNS)


def _between(places: int, cells: int) -> Floats:
    """(places, cells): how much of each place is in a cell, along one side."""
    at = (np.arange(cells) + 0.5) / cells * places - 0.5
    away = np.abs(np.clip(at, 0, places - 1)[None] - np.arange(places)[:, None])
    return np.maximum(0, 1 - away).astype(np.float32)


def _steady(times: NDArray[np.float64], seen: Floats, cuts: Sequence[float]) -> Floats:
    """Evidence (words, t, windows), the mean of what was seen shortly before and after in the same
    shot."""
    smooth = np.empty_like(seen)
    edges = [-np.inf, *cuts, np.inf]
    for begin, end in pairwise(edges):
        shot = np.flatnonzero((times >= begin - 1e-6) & (times < end - 1e-6))
        for i in shot:
            near = shot[np.abs(times[shot] - times[i]) <= SELECT.steady]
            smooth[:, i] = seen[:, near].mean(axis=1)
    return smooth


# Things and people


def boxes_of(
    words: str, times: NDArray[np.float64], sightings: Sequence[Sighting]
) -> Floats | None:
    """Cells (t, 9, 16) that things or people of these words cover, 0 to 1; None where neither the
    words name such, nor anything was looked for."""
    kinds, parts, somebody = _sought(words)
    if not (kinds or parts or somebody) or not sightings:
        return None
    cells = np.zeros((len(times), ROWS, COLUMNS), np.float32)
    at = np.array([float(sighting.time) for sighting in sightings])
    for i, time in enumerate(times):
        for k in np.flatnonzero(np.abs(at - time) <= SELECT.steady).tolist():
            for box in _boxes(sightings[k], kinds, parts, somebody):
                _cover_box(cells[i], box)
    return cells


def _boxes(
    sighting: Sighting, kinds: frozenset[str], parts: Sequence[str], somebody: bool
) -> list[Box]:
    found = [thing.box for thing in sighting.things if thing.name in kinds]
    if somebody:
        found += [person.box for person in sighting.people]
    for part, joints in (("feet", ANKLES), ("hands", WRISTS)):
        if part in parts:
            found += [
                _around(person.joints[joint])
                for person in sighting.people
                for joint in joints
                if person.joints[joint, 2] > SELECT.joint
            ]
    if "hands" in parts:
        found += [
            (*hand.points[:, :2].min(axis=0), *hand.points[:, :2].max(axis=0))
            for hand in sighting.hands
        ]
    return found


def usual_box(words: str, sightings: Sequence[Sighting]) -> Box | None:
    """The box around what words name, as it usually lies: of the boxes around all such things in
    one picture, the median; None where none is seen."""
    kinds, parts, somebody = _sought(words)
    around = [
        np.array(found)
        for sighting in sightings
        if (found := _boxes(sighting, kinds, parts, somebody))
    ]
    if not around:
        return None
    outer = [[*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)] for boxes in around]
    left, top, right, bottom = np.median(outer, axis=0).tolist()
    return left, top, right, bottom


def _sought(words: str) -> tuple[frozenset[str], list[str], bool]:
    """Kinds of things that words name, parts of people, and whether they name people."""
    low = words.lower()
    parts = [name for name, pattern in (("feet", FEET), ("hands", HANDS)) if pattern.search(low)]
    return _thing_names(words), parts, bool(PEOPLE.search(low)) and not parts


def _around(joint: Floats) -> Box:
    x, y = float(joint[0]), float(joint[1])
    return (x - REACH, y - REACH, x + REACH, y + REACH)


def _cover_box(cells: Floats, box: Box) -> None:
    left, top, right, bottom = box
    first, last = int(left * COLUMNS), int(np.ceil(right * COLUMNS))
    upper, lower = int(top * ROWS), int(np.ceil(bottom * ROWS))
    cells[max(0, upper) : max(0, lower), max(0, first) : max(0, last)] = 1


def _spread(cells: Floats) -> Floats:
    """Boxes and a cell around them, at half weight: what moves is not always within its box."""
    wide = np.pad(cells, ((0, 0), (1, 1), (1, 1)))
    around = np.max(
        [wide[:, i : i + ROWS, j : j + COLUMNS] for i in range(3) for j in range(3)], axis=0
    )
    return np.maximum(cells, 0.5 * around)


@lru_cache(maxsize=64)
def _thing_names(words: str) -> frozenset[str]:
    """Kinds of COCO's things that words name."""
    kinds = [name for name in THINGS.values() if name != "person"]
    likeness = embed_text(kinds) @ embed_text([words])[0]
    said = {kind for kind in kinds if re.search(rf"\b{re.escape(kind)}s?\b", words.lower())}
    if said:
        return frozenset(said)
    best = int(likeness.argmax())
    return frozenset([kinds[best]] if likeness[best] >= SELECT.thing else [])


if __name__ == "__main__":
    keep_class_names()
