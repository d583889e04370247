"""Something done for each clip: what fails is named at the end, after the others."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from foleycli.errors import BatchError, FoleyError


def each_clip(
    clips: Sequence[Path],
    do: Callable[[int], None],
    as_json: bool,
    verdict: str = "failed, the others are done",
) -> None:
    """Call ``do`` with the number of each clip.

    Raises:
        FoleyError: what became of the only clip.
        BatchError: some of several failed.
    """
    failures: list[tuple[Path, FoleyError]] = []
    for number, clip in enumerate(clips):
        try:
            do(number)
        except FoleyError as error:
            if len(clips) == 1:
                raise
            failures.append((clip, error))
            if as_json:
                print(json.dumps({"clip": str(clip), "error": error.problem}), flush=True)
    if failures:
        raise BatchError(
            f"{len(failures)} of {len(clips)} clips {verdict}.",
            "Mend those named and run them again.",
            (f"{clip}: {error}" for clip, error in failures),
        )
