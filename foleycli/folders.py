"""Where foleycli keeps what it can make or fetch again."""

import os
import sys
from pathlib import Path


def cache_folder(room: str) -> Path:
    """The folder of one room, such as "library" or "models": ``$FOLEY_CACHE``, or the system's.

    It may not exist yet.
    """
    if own := os.environ.get("FOLEY_CACHE"):
        return Path(own) / room
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "foleycli" / room
