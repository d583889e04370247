"""The files that people save on a page of questions: which they are, and whose count."""

import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from foleycli.errors import UsageError

LOG = logging.getLogger("foleycli")


def answer_files(answers: Sequence[Path]) -> list[Path]:
    """JSON files, and those in folders, without keys."""
    found: list[Path] = []
    for path in answers:
        found += sorted(path.glob("*.json")) if path.is_dir() else [path]
    return [path for path in found if not path.name.endswith(".key.json")]


def fullest_answers(
    read: Sequence[dict[str, Any]], said: str, studies: Collection[str]
) -> list[dict[str, Any]]:
    """One answer a person, the one that says most.

    Args:
        read: answers, each with its person.
        said: where an answer holds what its person said of each clip.
        studies: those that the answers, and the key, belong to.

    Raises:
        UsageError: they belong to several.
    """
    if len(studies) > 1:
        raise UsageError("These belong to several studies.", "Count each study by itself.")
    people = {one["person"]: one for one in sorted(read, key=lambda answer: len(answer[said]))}
    if len(people) < len(read):
        LOG.warning(
            "Of files that name one person the fullest counts: %d left out.",
            len(read) - len(people),
        )
    return list(people.values())
