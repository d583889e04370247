"""What to type to get a package, true for how this copy of foleycli was installed."""

import importlib.util
import re
import shlex
import shutil
import sys
from importlib import metadata
from pathlib import Path

OURS = "foleycli"
# Requirements of the extras where this copy has no metadata to read them from: a plain checkout.
EXTRAS = {
    "eval": ("matplotlib>=3.9", "opencv-python-headless>=4.8"),
    "eyes": ("transformers>=5",),
    "clap": ("transformers>=5",),
    "train": ("matplotlib>=3.9", "mujoco>=3.3", "tensorboard>=2.16"),
    "sign": ("c2pa-python>=0.30",),
    "ray": ("ray>=2.40",),
    "timeline": ("opentimelineio>=0.17",),
    "aaf": ("opentimelineio>=0.17", "otio-aaf-adapter>=2.0", "pyaaf2>=1.7"),
}


def get_extra(extra: str) -> str:
    """The command that installs what an extra needs, package by package: that works from a
    checkout, a wheel or an index alike, and asks no index for foleycli itself."""
    return get_packages(*needed(extra))


def needed(extra: str) -> tuple[str, ...]:
    """An extra's requirements, such as "opentimelineio>=0.17"."""
    try:
        lines = metadata.requires(OURS) or []
    except metadata.PackageNotFoundError:
        lines = []
    marked = re.compile(rf"""extra\s*==\s*['"]{re.escape(extra)}['"]""")
    stated = tuple(line.partition(";")[0].strip() for line in lines if marked.search(line))
    return stated or EXTRAS[extra]


def get_packages(*requirements: str, options: str = "") -> str:
    """The command that installs packages beside this copy.

    Args:
        options: of pip, such as ``--no-deps``.
    """
    wanted = " ".join(map(shlex.quote, requirements))
    return f"{_installer()} {options + ' ' if options else ''}{wanted}"


def _installer() -> str:
    """pip of this very Python; what stands in for it where there is none."""
    parts = Path(sys.prefix).parts
    if "pipx" in parts and "venvs" in parts and shutil.which("pipx"):
        return f"pipx inject {parts[-1]}"
    python = shlex.quote(sys.executable or "python")
    if importlib.util.find_spec("pip") is None and shutil.which("uv"):
        return f"uv pip install --python {python}"
    found = shutil.which("pip")
    if found and Path(found).parent == Path(sys.executable).parent:
        return "pip install"  # the one that this shell finds is ours
    return f"{python} -m pip install"
