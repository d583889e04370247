"""A sound that is dropped on the page, kept beside the sheet that speaks of it."""

import re
from pathlib import Path

from foleycli.errors import MediaError, UsageError
from foleycli.library.recording import SUFFIXES, read_sound
from foleycli.output import atomic_output


def keep_sound(sheet: Path, name: str, data: bytes) -> Path:
    """Write a dropped sound beside a sheet, under a plain name.

    Raises:
        UsageError: it is no sound.
    """
    stem = re.sub(r"[^\w-]+", "_", Path(name.replace("\\", "/")).stem).strip("_")[:60] or "sound"
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(
            f"{name[:80]} is no sound file.", f"Drop one of {' '.join(sorted(SUFFIXES))}."
        )
    path = sheet.with_name(f"{stem}{suffix}")
    number = 2
    while path.exists() and path.read_bytes() != data:
        path = sheet.with_name(f"{stem}_{number}{suffix}")
        number += 1
    if not path.exists():
        with atomic_output(path) as beside:
            beside.write_bytes(data)
    try:
        if not read_sound(path).any():
            raise MediaError(f"{path.name} is silent.", "")
    except MediaError as error:
        path.unlink()
        raise UsageError(error.problem, "Drop another sound.") from error
    return path
