"""What people said in a study: counts, percentages, and whether it may be chance."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from foleycli.errors import MediaError, UsageError
from foleycli.evaluate.answers import answer_files, fullest_answers

SIDES = ("a", "b")


@dataclass(frozen=True, slots=True)
class Tally:
    """Votes of all people on all clips."""

    names: dict[str, str]  # of a and of b
    votes: dict[str, int]  # for a and for b
    people: int
    clips: dict[str, dict[str, int]]  # a clip's votes for a and for b
    left: int  # votes for what stood left

    @property
    def total(self) -> int:
        """All votes."""
        return sum(self.votes.values())

    @property
    def chance(self) -> float:
        """Probability of votes at least as uneven if both were liked alike (exact, two-sided)."""
        return float(binomtest(self.votes["b"], self.total).pvalue) if self.total else 1.0

    def share(self, side: str) -> tuple[float, float, float]:
        """Of the votes, with its 95 % interval (Wilson), which takes votes as independent."""
        test = binomtest(self.votes[side], self.total)
        interval = test.proportion_ci(method="wilson")
        return self.votes[side] / self.total, float(interval.low), float(interval.high)

    @property
    def won(self) -> dict[str, int]:
        """Clips on which most people chose a, and b; equal ones count for neither."""
        won = Counter(
            "a" if votes["a"] > votes["b"] else "b"
            for votes in self.clips.values()
            if votes["a"] != votes["b"]
        )
        return {side: won[side] for side in SIDES}

    def told(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "names": self.names,
            "votes": self.votes,
            "share": {side: self.share(side) for side in SIDES},
            "p": self.chance,
            "people": self.people,
            "clips_won": self.won,
            "left": self.left,
            "clips": self.clips,
        }


def tally(answers: Sequence[Path], key: Path | None = None) -> Tally:
    """Count the answers of one study.

    Args:
        answers: JSON files that the page saved, or folders of them. Of one person's several
            files the fullest counts.
        key: what the page's export wrote beside it.

    Raises:
        MediaError: a file is no answer, or no key.
        UsageError: the answers are of several studies, or of another one than the key.
    """
    read = [_read(path) for path in answer_files(answers)]
    studies = {answer["study"] for answer in read}
    names = {"a": "a", "b": "b"}
    if key:
        study, names = _read_key(key)
        studies.add(study)
    people = fullest_answers(read, "votes", studies)
    votes: Counter[str] = Counter()
    clips: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(SIDES, 0))
    left = 0
    for answer in people:
        for clip, vote in answer["votes"].items():
            votes[vote["choice"]] += 1
            clips[clip][vote["choice"]] += 1
            left += vote["choice"] == vote["left"]
    if not votes:
        raise UsageError("Nobody has answered anything yet.", "Collect the saved files first.")
    counted = {side: votes[side] for side in SIDES}
    return Tally(names, counted, len(people), dict(sorted(clips.items())), left)


def describe(counted: Tally) -> str:
    """A few lines to read."""
    lines = [f"{counted.total} votes of {counted.people} people on {len(counted.clips)} clips"]
    for side in SIDES:
        share, low, high = (100 * value for value in counted.share(side))
        lines.append(
            f"  {counted.names[side]:<20} {counted.votes[side]:>5}  {share:.2f} % "
            f"[{low:.1f}, {high:.1f}], most votes on {counted.won[side]} of them"
        )
    lines.append(f"  chance of this if both were liked alike: p = {counted.chance:.2g}")
    left = binomtest(counted.left, counted.total)
    lines.append(
        f"  what stood left got {100 * counted.left / counted.total:.1f} % (p = {left.pvalue:.2g})"
    )
    lines.append("  Votes of one person, or on one clip, hang together: p is a little too small.")
    return "\n".join(lines)


def _read_key(path: Path) -> tuple[str, dict[str, str]]:
    """The study, and what a and b are."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return known["study"], {side: str(known[side]) for side in SIDES}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MediaError(
            f"{path} is no key of a study.", "It is called <name>.key.json, beside the page."
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        answer = json.loads(path.read_text(encoding="utf-8"))
        sound = all(
            vote["choice"] in SIDES and vote["left"] in SIDES for vote in answer["votes"].values()
        )
        if not (sound and answer["study"] and answer["person"]):
            raise ValueError("it names neither side")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MediaError(
            f"{path} is not what the study's page saves.", "Ask for the file again."
        ) from error
    return answer
