"""How likely a sound must be to be heard, chosen on labelled pictures (``foley eval calibrate``).

A folder holds a folder of pictures for each label; a label is words that `--prompt` would
understand, and means the sounds that they ask for. Limits maximise F1; half of the pictures of
each label choose, the other half judges.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from foleycli.errors import MediaError, UsageError
from foleycli.spot.scene import asked_lines
from foleycli.spot.scored import Limits, PulledEyes, seen_sounds

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
FEWEST = 8  # pictures of a sound, from which it has a limit of its own
TOGETHER = 16  # pictures that are looked at at once
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was chosen, and what it is worth on pictures that did not choose it."""

    limits: Limits
    pictures: int
    labels: int
    before: float  # F1 over all pictures and sounds, by the limits of before
    after: float


def calibrate(
    folder: Path, eyes: PulledEyes, progress: Callable[[float], None] = lambda done: None
) -> Calibration:
    """Choose limits.

    Raises:
        UsageError: there are no labelled pictures, or no label is a sound that can be seen.
        MediaError: a picture cannot be read.
    """
    paths, truth = find_labelled(folder)
    scores = np.zeros(truth.shape, np.float32)
    for first in range(0, len(paths), TOGETHER):
        pictures = [read_picture(path) for path in paths[first : first + TOGETHER]]
        scores[first : first + len(pictures)] = eyes.likely(pictures)
        progress(min(1.0, (first + TOGETHER) / len(paths)))
    choosing, judging = _halves(truth)
    limits = choose_limits(scores[choosing], truth[choosing])
    marks = [
        f1(scores[judging] >= limit_row(each), truth[judging]) for each in (eyes.limits, limits)
    ]
    labels = int(truth.any(axis=0).sum())
    return Calibration(limits, len(paths), labels, *marks)


def find_labelled(folder: Path) -> tuple[list[Path], NDArray[np.bool_]]:
    """Pictures, and which of `seen_sounds` each shows: (pictures, sounds)."""
    column = {phrase.words: i for i, phrase in enumerate(seen_sounds())}
    paths: list[Path] = []
    rows: list[NDArray[np.bool_]] = []
    for label in sorted(path for path in folder.iterdir() if path.is_dir()):
        words = [line.phrase.words for line in asked_lines(label.name.replace("_", " "))]
        row = np.zeros(len(column), bool)
        row[[column[word] for word in words if word in column]] = True
        inside = sorted(p for p in label.iterdir() if p.suffix.lower() in SUFFIXES)
        paths += inside
        rows += [row] * len(inside)
    truth = np.array(rows, bool).reshape(len(paths), len(column))
    if not truth.any():
        raise UsageError(
            f"{folder} holds no pictures of sounds that can be seen.",
            "Give a folder of folders of pictures, each called by words such as 'dog barking'.",
        )
    return paths, truth


def read_picture(path: Path) -> NDArray[np.uint8]:
    """(height, width, 3)."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError, ValueError) as error:
        raise MediaError(f"{path} cannot be read: {error}.", "Remove or replace it.") from error


def choose_limits(scores: Scores, truth: NDArray[np.bool_]) -> Limits:
    """One limit for all sounds, and one of its own for each with enough pictures."""
    own = {
        phrase.words: best_limit(scores[:, i], truth[:, i])
        for i, phrase in enumerate(seen_sounds())
        if truth[:, i].sum() * 2 >= FEWEST
    }
    shown = truth.any(axis=0)  # what no picture shows would only push the limit up
    return Limits(best_limit(scores[:, shown].ravel(), truth[:, shown].ravel()), own)


def best_limit(scores: Scores, truth: NDArray[np.bool_]) -> float:
    """The score from which calling things true has the best F1; the middle between two scores."""
    order = np.argsort(-scores, kind="stable")
    ranked, right = scores[order], truth[order].cumsum()
    marks = 2 * right / (np.arange(1, len(order) + 1) + max(1, truth.sum()))
    ends = np.append(ranked[1:] < ranked[:-1], True)  # equal scores stand or fall together
    best = int(np.where(ends, marks, -1).argmax())
    following = float(ranked[best + 1]) if best + 1 < len(ranked) else 0.0
    return (float(ranked[best]) + following) / 2


def limit_row(limits: Limits) -> Scores:
    """(sounds,)."""
    return np.array([limits.of(phrase.words) for phrase in seen_sounds()], np.float32)


def f1(said: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Harmonic mean of precision and recall over all pictures and sounds."""
    return 2 * float((said & truth).sum()) / max(1, int(said.sum() + truth.sum()))


def _halves(truth: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
    """Every other picture of each label, and the others."""
    seen: dict[bytes, int] = {}
    halves: tuple[list[int], list[int]] = ([], [])
    for i, row in enumerate(truth):
        number = seen.get(row.tobytes(), 0)
        seen[row.tobytes()] = number + 1
        halves[number % 2].append(i)
    return halves[0], halves[1] or halves[0]
