"""Reading what others wrote: numbers and JSON, believed only as far as they can be true."""

import json
import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

DIGITS = 30  # of a number that is read; Python would write out "1e999999999"
LARGEST = 10**12  # that any count, time or rate of a document can be
TOO_DEEP = "it is nested too deeply"
_EXACT = re.compile(
    rf"[+-]?(?:[0-9]{{1,{DIGITS}}}(?:\.[0-9]{{0,{DIGITS}}}|/[0-9]{{1,{DIGITS}}})?"
    rf"|\.[0-9]{{1,{DIGITS}}})"
)


def exact_number(text: str) -> Fraction:
    """ "5", "1.25" or "1001/24000", exactly; no exponents, which can stand for any length.

    Raises:
        ValueError: it is no such number, or larger than `LARGEST`.
        ZeroDivisionError: it is divided by zero.
    """
    plain = text.strip()
    if not _EXACT.fullmatch(plain):
        shown = plain if len(plain) <= 40 else f"{plain[:40]}…"
        raise ValueError(f"{shown!r} is no number such as 1.25 or 1001/24000")
    value = Fraction(plain)
    if abs(value) > LARGEST:
        raise ValueError(f"{plain} is larger than can be true")
    return value


def whole_number(text: str) -> int:
    """ "48", exactly.

    Raises:
        ValueError: it is no whole number, or larger than `LARGEST`.
    """
    value = exact_number(text)
    if value.denominator != 1:
        raise ValueError(f"{text.strip()} is no whole number")
    return int(value)


def parse_json(text: str) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: it is no JSON, or nested without end.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error


def is_file(path: Path) -> bool:
    """Whether a path that a document names is a file that is there; false for what is no path at
    all: a name too long, links in a loop, a folder that may not be entered."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def own_path(path: Path) -> Path:
    """A path as it really is; of links in a loop, the path itself."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()


def files_under(root: Path) -> Iterator[Path]:
    """Files of a folder and its folders, by name within each. Links to folders are followed, but
    none twice, and what may not be entered is passed over."""
    entered: set[Path] = set()
    for inside, folders, names in os.walk(root, followlinks=True):
        here = own_path(Path(inside))
        if here in entered:
            folders.clear()
            continue
        entered.add(here)
        folders.sort()
        yield from (path for name in sorted(names) if is_file(path := Path(inside, name)))
