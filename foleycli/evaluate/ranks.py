"""What people said in a ranking of several systems: places, and whether they may be chance."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from foleycli.errors import MediaError, UsageError
from foleycli.evaluate.answers import answer_files, fullest_answers
from foleycli.evaluate.interval import bootstrap


@dataclass(frozen=True, slots=True)
class Ranks:
    """The places that all people gave on all clips."""

    names: tuple[str, ...]
    places: NDArray[np.int64]  # (answers, systems): 1 is the best
    people: int
    clips: int

    def counts(self, system: int) -> list[int]:
        """How often a system came first, second, and so on."""
        return [int(np.sum(self.places[:, system] == n + 1)) for n in range(len(self.names))]

    def mean(self, system: int) -> tuple[float, float, float]:
        """The mean place with its 95 % interval over answers."""
        return bootstrap(self.places[:, system].astype(np.float64))

    def beats(self, one: int, other: int) -> float:
        """Share of the answers in which one stands before another."""
        return float(np.mean(self.places[:, one] < self.places[:, other]))

    @property
    def chance(self) -> float:
        """Probability of places at least as uneven if all were liked alike (Friedman, 1937)."""
        count, systems = self.places.shape
        means = self.places.mean(axis=0)
        spread = float(np.square(means - (systems + 1) / 2).sum())
        return float(chi2.sf(12 * count / (systems * (systems + 1)) * spread, systems - 1))

    def told(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        systems = range(len(self.names))
        return {
            "answers": len(self.places),
            "people": self.people,
            "clips": self.clips,
            "p": self.chance,
            "systems": {
                self.names[i]: {
                    "places": self.counts(i),
                    "mean": self.mean(i),
                    "before": {self.names[j]: self.beats(i, j) for j in systems if j != i},
                }
                for i in systems
            },
        }


def is_ranking(answers: Sequence[Path]) -> bool:
    """Whether the first answer is one of a ranking.

    Raises:
        MediaError: it is no JSON.
    """
    return any("ranks" in _json(path) for path in answer_files(answers)[:1])


def count_ranks(answers: Sequence[Path], key: Path | None = None) -> Ranks:
    """Count the answers of one ranking.

    Args:
        answers: JSON files that the page saved, or folders of them. Of one person's several
            files the fullest counts.
        key: what the page's export wrote beside it.

    Raises:
        MediaError: a file is no answer, or no key.
        UsageError: the answers are of several studies, or of another one than the key, or empty.
    """
    read = [_read(path) for path in answer_files(answers)]
    names = _read_key(key) if key else None
    studies = {answer["study"] for answer in read} | ({names["study"]} if names else set())
    people = fullest_answers(read, "ranks", studies)
    said = [vote["ranks"] for answer in people for vote in answer["ranks"].values()]
    if not said:
        raise UsageError("Nobody has answered anything yet.", "Collect the saved files first.")
    systems = sorted(said[0])
    if any(sorted(one) != systems for one in said):
        raise UsageError("The answers are about different systems.", "Count each by itself.")
    places = np.array([[one[system] for system in systems] for one in said], np.int64)
    clips = {clip for answer in people for clip in answer["ranks"]}
    shown = tuple(str(names[s]) if names else s for s in systems)
    return Ranks(shown, places, len(people), len(clips))


def describe_ranks(counted: Ranks) -> str:
    """A table to read, the best first."""
    count = len(counted.names)
    order = sorted(range(count), key=lambda i: counted.mean(i)[0])
    wide = max(12, *map(len, counted.names))
    lines = [
        f"{len(counted.places)} rankings of {counted.people} people on {counted.clips} clips",
        f"  {'':<{wide}}" + "".join(f"{n + 1:>7}." for n in range(count)) + "   mean place",
    ]
    for i in order:
        shares = [100 * n / len(counted.places) for n in counted.counts(i)]
        mean, low, high = counted.mean(i)
        lines.append(
            f"  {counted.names[i]:<{wide}}"
            + "".join(f"{share:>6.1f} %" for share in shares)
            + f"   {mean:.2f} [{low:.2f}, {high:.2f}]"
        )
    for one, other in itertools.pairwise(order):
        lines.append(
            f"  {counted.names[one]} before {counted.names[other]}: "
            f"{100 * counted.beats(one, other):.1f} %"
        )
    lines.append(f"  chance of this if all were liked alike: p = {counted.chance:.2g}")
    lines.append("  Answers of one person, or on one clip, hang together: p is a little too small.")
    return "\n".join(lines)


def _json(path: Path) -> dict[str, Any]:
    try:
        answer = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(answer, dict):
            raise ValueError("it is no object")
    except (OSError, ValueError) as error:
        raise MediaError(
            f"{path} is not what the study's page saves.", "Ask for the file again."
        ) from error
    return answer


def _read(path: Path) -> dict[str, Any]:
    answer = _json(path)
    try:
        whole = all(
            sorted(vote["ranks"].values()) == list(range(1, len(vote["ranks"]) + 1))
            for vote in answer["ranks"].values()
        )
        if not (whole and answer["study"] and answer["person"]):
            raise ValueError("a place is missing or given twice")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MediaError(
            f"{path} is not what the ranking's page saves.", "Ask for the file again."
        ) from error
    return answer


def _read_key(path: Path) -> dict[str, Any]:
    key = _json(path)
    if "study" not in key:
        raise MediaError(
            f"{path} is no key of a study.", "It is called <name>.key.json, beside the page."
        )
    return key
