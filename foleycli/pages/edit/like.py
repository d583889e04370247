"""A sound that is dropped on the page, kept beside the sheet that speaks of it."""

import re
from pathlib import Path

from av.error import FFmpegError

from foleycli.clip.media import open_media
from foleycli.errors import MediaError, UsageError
from foleycli.library.recording import SUFFIXES, read_sound
from foleycli.output import atomic_output, scratch_folder

LONGEST = 300  # seconds of a dropped sound


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
    with scratch_folder(sheet.parent) as folder:
        tried = folder / path.name
        tried.write_bytes(data)
        _check_sound(tried)
    if not path.exists():
        with atomic_output(path) as beside:
            beside.write_bytes(data)
    return path


def _check_sound(path: Path) -> None:
    """Refuse what is no sound, or so long that it would fill the memory: a few bytes of FLAC may
    hold hours."""
    try:
        with open_media(path) as container:
            stream = container.streams.audio[0]
            most = LONGEST * stream.codec_context.sample_rate
            heard = 0
            for frame in container.decode(stream):
                heard += frame.samples
                if heard > most:
                    raise UsageError(f"{path.name} is over {LONGEST} s.", "Drop one sound of it.")
        if not read_sound(path).any():
            raise UsageError(f"{path.name} is silent.", "Drop another sound.")
    except (MediaError, FFmpegError, IndexError) as error:
        raise UsageError(f"{path.name} cannot be read as sound.", "Drop another one.") from error
