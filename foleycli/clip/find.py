"""The clips a user means by files and folders."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from foleycli.errors import MediaError
from foleycli.output import check_path

# What editors keep pictures in; a folder's other files are passed over, a named file never is.
VIDEO_SUFFIXES = frozenset(
    ".3g2 .3gp .asf .avi .divx .f4v .flv .m2t .m2ts .m4v .mkv .mov .mp4 .mpe .mpeg .mpg .mts .mxf "
    ".ogv .ts .vob .webm .wmv".split()
)


# raw streams take no sound: the kind of file that does
BECOMES: dict[str, str] = dict.fromkeys(
    ".264 .265 .dif .dv .h264 .h265 .hevc .m1v .m2v .mjpeg .mjpg".split(), ".mov"
)
WRITTEN = VIDEO_SUFFIXES | {".qt", ".nut", ""}  # "": as the content says


def is_film(path: Path) -> bool:
    """Whether a file is called as films are, and not as timelines or sounds."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def find_clips(paths: Iterable[Path]) -> list[Path]:
    """Files as given, folders as the videos directly in them by name, each once; what was made
    from them before is left out. Among others, a folder without a video fails when its turn comes.

    Raises:
        MediaError: there is nothing but a folder that holds no video.
        UsageError: one is an address or a stream.
    """
    paths = list(paths)
    for path in paths:
        check_path(path, "reads")
    found: dict[Path, None] = {}
    for path in paths:
        clips = _videos_in(path) if is_folder(path) else [path]
        if not clips and len(paths) == 1:
            raise MediaError(
                f"{path} holds no video.", f"Looked for {' '.join(sorted(VIDEO_SUFFIXES))}."
            )
        found.update(dict.fromkeys(clips or [path]))
    return list(found)


def name_output(clip: Path, folder: Path | None = None) -> Path:
    """The video to write for a clip: ``shot_sfx.mp4``, in a folder or beside it."""
    return (folder or clip.parent) / f"{clip.stem}_sfx{_suffix(clip)}"


def tell_apart(clips: Sequence[Path], outs: Sequence[Path]) -> list[Path]:
    """Outputs whose recipes and waves are not one another's, for those are called by the stem.

    Where ``shot.mov`` and ``shot.mp4`` come together they become ``shot_mov_sfx.mov`` and
    ``shot_mp4_sfx.mp4``; outputs that somebody named stay.
    """
    times = Counter(out.with_suffix("") for out in outs)
    return [
        out.with_name(f"{clip.stem}_{clip.suffix[1:]}_sfx{_suffix(clip)}")
        if times[out.with_suffix("")] > 1 and clip.suffix and out.name == name_output(clip).name
        else out
        for clip, out in zip(clips, outs, strict=True)
    ]


def _suffix(clip: Path) -> str:
    """What is written for a clip; .mkv, which takes almost anything, for what we only read."""
    lower = clip.suffix.lower()
    return clip.suffix if lower in WRITTEN else BECOMES.get(lower, ".mkv")


def is_output(path: Path) -> bool:
    """Whether a file is called as outputs are that nobody named: ``shot_sfx``, or a take of it."""
    return re.search(r"_sfx(_take\d+)?$", path.stem) is not None


def is_folder(path: Path) -> bool:
    """Whether it is a folder; what cannot be looked at is none."""
    try:
        return path.is_dir()
    except OSError:  # its folder may not be entered, or the name is too long: said when opened
        return False


def _videos_in(folder: Path) -> list[Path]:
    try:
        there = list(folder.iterdir())
    except OSError as error:
        raise MediaError(
            f"{folder} cannot be listed: {error.strerror}.", "Change its permissions (chmod u+rx)."
        ) from error
    return sorted(
        path
        for path in there
        if path.suffix.lower() in VIDEO_SUFFIXES
        and not path.name.startswith(".")
        and not is_output(path)
    )
