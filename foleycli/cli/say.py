"""What a person reads: the one place where words from outside reach the terminal.

Names of files, tracks, shots and titles come from whoever made them. A control character in one
would move the cursor, colour the screen, begin a false line or turn the order of the letters round.
"""

import csv
import sys
import unicodedata
from collections.abc import Iterable, Sequence

from foleycli.errors import FoleyError

HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, format, surrogate, line and paragraph separator
JOINERS = "\u200c\u200d"  # between letters of Persian and parts of an emoji; they move nothing


def visible(text: object) -> str:
    """Text in which characters that act and do not show are written out, as Python writes them: an
    escape as ``\\x1b``, a line break as ``\\n``, a mark that turns the letters as ``\\u202e``."""
    return "".join(
        char.encode("unicode_escape").decode("ascii")
        if unicodedata.category(char) in HIDDEN and char not in JOINERS
        else char
        for char in str(text)
    )


def say(*lines: object, err: bool = False) -> None:
    """Print lines for a person, on stdout, or on stderr. What a program reads (`--json`) is
    printed as it is, by `print`."""
    print("\n".join(map(visible, lines)), file=sys.stderr if err else sys.stdout, flush=True)


def say_error(error: FoleyError) -> None:
    """What happened, whom it concerns, and what to do."""
    problem, *listed = error.lines
    say(f"error: {problem}", *(f"  {line}" for line in listed), f"  try: {error.remedy}", err=True)


def say_rows(rows: Iterable[Sequence[object]]) -> None:
    """A table of commas on stdout: for a person on a terminal, else exact, for a program."""
    if sys.stdout.isatty():
        rows = ([visible(cell) for cell in row] for row in rows)
    csv.writer(sys.stdout).writerows(rows)
