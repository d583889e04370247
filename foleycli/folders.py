"""Where foleycli keeps what it can make or fetch again."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from foleycli.errors import FoleyError

SET_CACHE = "Set FOLEY_CACHE to a folder you can write."
LIMIT = 4 * 1024**3  # bytes of what is remembered, FOLEY_CACHE_LIMIT (GiB) in its place


def cache_folder(room: str) -> Path:
    """The folder of one room, such as "library" or "models": ``$FOLEY_CACHE``, or the system's.

    It may not exist yet.
    """
    if own := os.environ.get("FOLEY_CACHE"):
        return Path(own) / room
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or _home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = _home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache")
    return base / "foleycli" / room


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a container's user without a name or a home
        return Path(tempfile.gettempdir())


def make_folder(folder: Path) -> Path:
    """A folder of the cache, made if it is not there.

    Raises:
        FoleyError: it cannot be made; naming the variable that puts it elsewhere.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cache_error(folder, error) from error
    return folder


def cache_error(folder: Path, error: OSError) -> FoleyError:
    """That the cache cannot be written, and what to do."""
    reason = error.strerror or str(error)
    return FoleyError(f"The cache {folder} cannot be written: {reason}.", SET_CACHE)


def cache_limit() -> int:
    """Bytes that remembered features may take: ``$FOLEY_CACHE_LIMIT`` in GiB, or 4 GiB."""
    try:
        asked = float(os.environ.get("FOLEY_CACHE_LIMIT", ""))
    except ValueError:
        return LIMIT
    return int(asked * 1024**3) if 0 <= asked < 1e6 else LIMIT


def folder_size(folder: Path) -> int:
    """Bytes of all files in a folder and its folders; 0 where it is not there."""
    return sum(size for _, size, _ in _files(folder))


def trim_folder(folder: Path, limit: int) -> int:
    """Remove the files that were used longest ago until the others fit into a limit.

    Returns:
        bytes that are left.
    """
    files = sorted(_files(folder))
    total = sum(size for _, size, _ in files)
    for _, size, path in files:
        if total <= limit:
            break
        with suppress(OSError):
            path.unlink()
            total -= size
    return total


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """When each was last used, its bytes, its path."""
    for inside, _, names in os.walk(folder):
        for name in names:
            path = Path(inside, name)
            with suppress(OSError):
                stat = path.stat()
                yield stat.st_mtime, stat.st_size, path
