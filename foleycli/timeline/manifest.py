"""What a batch shall do: clips from folders, globs and manifests, each with its options."""

import csv
import fnmatch
import glob
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import IO, Any

from foleycli.clip.find import find_clips, is_output, name_output, tell_apart
from foleycli.config import GenerateConfig
from foleycli.documents import files_under, is_file, own_path, parse_json
from foleycli.errors import MediaError, UsageError

MANIFESTS = (".jsonl", ".ndjson", ".csv")
_TYPES = {field.name: str(field.type) for field in fields(GenerateConfig)}
_PATHS = ("cues", "library", "like")


@dataclass(frozen=True, slots=True)
class Job:
    """One clip to sound."""

    clip: Path
    out: Path
    config: GenerateConfig


def find_jobs(inputs: Iterable[str], folder: Path | None, config: GenerateConfig) -> list[Job]:
    """The jobs that inputs mean, in order, each clip and output once.

    Args:
        inputs: clips, folders, globs (``rushes/**/*.mov``), or manifests: ``.jsonl`` with one
            object a line, or ``.csv``; ``clip`` names the file, ``out`` the video to write, and any
            option of `GenerateConfig` (prompt, seed, takes ...) holds for that row.
        folder: where outputs go that a manifest does not name; None puts them beside the clips.

    Raises:
        UsageError: a manifest's row cannot be understood, or two jobs would write one file.
        MediaError: an input is not there.
    """
    jobs: list[Job] = []
    for text in inputs:
        path = Path(text)
        if path.suffix.lower() in MANIFESTS and is_file(path):
            jobs += _of_manifest(path, folder, config)
        else:
            jobs += [Job(clip, name_output(clip, folder), config) for clip in _clips(text)]
    jobs = list(dict.fromkeys(jobs))
    outs = tell_apart([job.clip for job in jobs], [job.out for job in jobs])
    jobs = [replace(job, out=out) for job, out in zip(jobs, outs, strict=True)]
    stems = Counter(own_path(out).with_suffix("") for out in outs)  # recipes are called by them
    doubled = [out for out in outs if stems[own_path(out).with_suffix("")] > 1]
    if doubled:
        raise UsageError(
            f"{len(doubled)} outputs would be written more than once, such as {doubled[0]}.",
            "Name them in a manifest's column out, or run folder by folder.",
        )
    return jobs


def _clips(text: str) -> list[Path]:
    path = Path(text)
    try:
        if path.exists():
            return find_clips([path])
    except (OSError, ValueError) as error:
        raise MediaError(f"{text[:80]} cannot be reached: {error}.", "Check the name.") from error
    if any(sign in text for sign in "*?["):
        if files := [name for name in _matching(path, text) if not is_output(name)]:
            return files
        raise MediaError(f"{text} matches no file.", "Quote it, and check the folder.")
    raise MediaError(f"{text} does not exist.", "Check the name.")


def _matching(path: Path, text: str) -> list[Path]:
    """Files that a glob means, in order. ``**`` goes through links too, but not round and round."""
    if "**" not in path.parts:
        return [name for name in map(Path, sorted(glob.glob(text))) if is_file(name)]  # noqa: PTH207
    first = next(place for place, part in enumerate(path.parts) if glob.has_magic(part))
    root, wanted = Path(*path.parts[:first]), path.parts[first:]
    return sorted(
        file for file in files_under(root) if _matches(file.relative_to(root).parts, wanted)
    )


def _matches(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether a path's parts are those of a pattern; names that begin with a dot are hidden."""
    if not wanted:
        return not parts
    if wanted[0] == "**":
        deeper = bool(parts) and not parts[0].startswith(".") and _matches(parts[1:], wanted)
        return _matches(parts, wanted[1:]) or deeper
    if not parts or (parts[0].startswith(".") and not wanted[0].startswith(".")):
        return False
    return fnmatch.fnmatchcase(parts[0], wanted[0]) and _matches(parts[1:], wanted[1:])


def _of_manifest(path: Path, folder: Path | None, config: GenerateConfig) -> Iterator[Job]:
    place = 0
    for place, row in _rows(path):
        values = {key: value for key, value in row.items() if value not in (None, "")}
        try:
            clip = path.parent / _name(values.pop("clip"), "clip")
            named = values.pop("out", None)
            out = name_output(clip, folder)
            if named:
                out = (folder or path.parent) / _name(named, "out")
            options = {key: _value(key, value, path.parent) for key, value in values.items()}
            asked = replace(config, **options)
        except UsageError as error:
            reason = " ".join(error.problem.split())
            raise UsageError(f"{path.name}, row {place}: {reason}", error.remedy) from error
        except (KeyError, ValueError) as error:
            reason = " ".join(str(error).split())
            if error.args == ("clip",):
                reason = "no clip is named"
            raise UsageError(
                f"{path.name}, row {place}: {reason}.",
                f"Columns: clip, out, {', '.join(sorted(_TYPES))}.",
            ) from error
        yield Job(clip, out, asked)
    if not place:
        raise UsageError(f"{path.name} names no clip.", "Write one row a clip, under its header.")


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        yield from _read_rows(path)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path.name} is not UTF-8 text.", "Save it as UTF-8.") from error
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}.", "Check its permissions."
        ) from error


def _read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix.lower() == ".csv":
            yield from enumerate(_table(file), 1)
            return
        for place, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = parse_json(line)
            except ValueError as error:
                raise UsageError(
                    f"{path.name}, row {place}: {error}.", "Write one JSON object a line."
                ) from error
            if not isinstance(row, dict):
                raise UsageError(f"{path.name}, row {place} is no object.", 'Write {"clip": ...}.')
            yield place, row


def _table(file: IO[str]) -> Iterator[dict[str, Any]]:
    """Rows by the names in the first line, whose letters' case is nobody's concern; where Excel
    counts with decimal commas it parts columns by semicolons."""
    header = file.readline()
    file.seek(0)
    table = csv.DictReader(file, delimiter=";" if ";" in header and "," not in header else ",")
    for row in table:
        yield {name.strip().lower() if name else "": value for name, value in row.items()}


def _name(value: Any, column: str) -> str:
    """A file's name."""
    if not isinstance(value, str | int | float) or not str(value).strip(" ./\\"):
        raise ValueError(f"{column} is {str(value)[:40]!r}, not a file's name")
    if "\0" in str(value):
        raise ValueError(f"{column} holds a character that no name has")
    return str(value)


def _value(key: str, value: Any, folder: Path) -> Any:
    """An option as `GenerateConfig` has it."""
    if not key:
        raise ValueError("it has more values than the header has columns; quote those with commas")
    if key not in _TYPES:
        raise ValueError(f'"{key}" is no option')
    if _TYPES[key].startswith("tuple"):
        return value if isinstance(value, list) else str(value).split(";")
    if isinstance(value, (list, dict)):
        raise ValueError(f"{key} is {json.dumps(value)}, not one value")
    kind, text = _TYPES[key], str(value).strip()
    if "bool" in kind:
        if text.lower() not in ("1", "0", "true", "false", "yes", "no"):
            raise ValueError(f"{key} is {text}, not true or false")
        return text.lower() in ("1", "true", "yes")
    if "int" in kind or "float" in kind:
        return _number(key, text, whole="int" in kind)
    return str(folder / text) if key in _PATHS else text


def _number(key: str, text: str, whole: bool) -> float:
    try:
        return int(text) if whole else float(text)
    except ValueError as error:
        raise ValueError(f"{key} is {text}, not a {'whole ' if whole else ''}number") from error


def take_shard(jobs: list[Job], shard: str | None) -> list[Job]:
    """Every n-th job from the i-th on, of ``i/n``; of a Slurm array's variables when None.

    Raises:
        UsageError: not such a fraction.
    """
    index, count = _slurm() if shard is None else _fraction(shard)
    return jobs[index::count]


def _fraction(shard: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", shard.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard {shard} is no part of a whole.", "Write 1/8 to 8/8.")
    return int(match[1]) - 1, int(match[2])


def _slurm() -> tuple[int, int]:
    names = ("ID", "COUNT", "MIN", "MAX", "STEP")
    given = [os.environ.get(f"SLURM_ARRAY_TASK_{name}", "") for name in names]
    if not (given[0].isdigit() and given[1].isdigit()):
        return 0, 1
    task, count = int(given[0]), int(given[1])
    first, step = int(given[2] or 0), int(given[4] or 1)
    last = int(given[3] or first + (count - 1) * step)
    if (last - first) // step + 1 != count:  # such as --array=1,5,7: which part is meant?
        raise UsageError(
            f"The Slurm array of {count} tasks from {first} to {last} is not an even one.",
            "Submit --array=1-8, or say the part: --shard 3/8.",
        )
    return (task - first) // step, count
