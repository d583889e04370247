"""Failures a user can mend, each with the exit code the command ends with.

Bugs are not here: they keep their traceback.
"""

from collections.abc import Iterable
from typing import Any


class FoleyError(Exception):
    """A failure the user can mend: what happened, then what to do.

    Args:
        listed: what it concerns, a line each under the problem.
    """

    exit_code = 1

    def __init__(self, problem: str, remedy: str, listed: Iterable[str] = ()) -> None:
        self.lines = (problem, *listed)
        self.problem = "\n  ".join(self.lines)
        self.remedy = remedy
        super().__init__(f"{self.problem} {remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        """So that it travels from one process to another."""
        return type(self), (self.lines[0], self.remedy, self.lines[1:])


class UsageError(FoleyError):
    """The request contradicts itself or names something that does not exist."""

    exit_code = 2


class MediaError(FoleyError):
    """The input file cannot be used."""

    exit_code = 3


class ModelError(FoleyError):
    """A model is missing, broken, or out of reach offline."""

    exit_code = 4


class BatchError(FoleyError):
    """Some clips of several failed; the others are done."""

    exit_code = 5


class OutputExistsError(FoleyError):
    """The output is there already and ``--overwrite`` was not given."""

    exit_code = 6
