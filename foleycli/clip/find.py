"""The clips a user means by files and folders."""

import re
from collections.abc import Iterable
from pathlib import Path

from foleycli.errors import MediaError

# What editors keep pictures in; a folder's other files are passed over, a named file never is.
VIDEO_SUFFIXES = frozenset(
    ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .vob .webm .wmv".split()
)


def find_clips(paths: Iterable[Path]) -> list[Path]:
    """Files as given, folders as the videos directly in them by name, each once; what was made
    from them before is left out.

    Raises:
        MediaError: a folder holds no video.
    """
    found: dict[Path, None] = {}
    for path in paths:
        clips = _videos_in(path) if path.is_dir() else [path]
        found.update(dict.fromkeys(clips))
    return list(found)


def is_output(path: Path) -> bool:
    """Whether a file is called as outputs are that nobody named: ``shot_sfx``, or a take of it."""
    return re.search(r"_sfx(_take\d+)?$", path.stem) is not None


def _videos_in(folder: Path) -> list[Path]:
    videos = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in VIDEO_SUFFIXES
        and not path.name.startswith(".")
        and not is_output(path)
    )
    if not videos:
        raise MediaError(
            f"{folder} holds no video.", f"Looked for {' '.join(sorted(VIDEO_SUFFIXES))}."
        )
    return videos
