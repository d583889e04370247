"""Time and memory of ``foley gen`` from clip to video, as a whole process.

    python benchmarks/generate.py                    a 10 s 1080p clip, each source of sound
    python benchmarks/generate.py --long 3600        peak memory for 1 hour against 1 minute

Start-up is a run on a clip of one frame in the same session; real-time factor is (run - start-up) /
length of the clip. Peak memory is the largest resident set of the process.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from foleycli.mux.ffmpeg import find_ffmpeg

# Ten seconds of moving texture under a moving camera: harder to decode than most film.
SCENE = "mandelbrot=s={size}:r=24:end_pts=960,format=yuv420p"


def render(path: Path, seconds: float, size: str) -> Path:
    """A film of ``seconds``; a long one repeats the same minute."""
    minute = min(seconds, 60)
    part = path.with_name(f"part_{path.name}")
    encode = "-c:v libx264 -preset veryfast -crf 20 -g 48".split()
    source = ["-f", "lavfi", "-i", SCENE.format(size=size), "-t", str(minute)]
    _ffmpeg(*source, *encode, str(part))
    loops = round(seconds / minute) - 1
    _ffmpeg("-stream_loop", str(loops), "-i", str(part), "-c", "copy", str(path))
    part.unlink()
    return path


def _ffmpeg(*arguments: str) -> None:
    quiet = ["-hide_banner", "-loglevel", "error", "-y"]
    subprocess.run([find_ffmpeg(), *quiet, *arguments], check=True)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a whole process takes."""

    wall: float  # seconds
    cpu: float  # seconds, of all its threads
    peak: float  # MiB


def measure(command: list[str]) -> Cost:
    """Run a command to its end, its modules compiled once, as those of an installed package are."""
    compiled = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=compiled)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with exit code {process.returncode}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


def gen(clip: Path, model: str) -> list[str]:
    """The command that sounds a clip."""
    out = str(clip.with_name(f"out{clip.suffix}"))
    command = [sys.executable, "-m", "foleycli.cli.main", "gen", str(clip), "-o", out]
    return [*command, "--overwrite", "-q", "--model", model]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default="library,small")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--long", type=float, help="seconds of a film to compare with one minute")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.long:
            compare_memory(Path(folder), options)
        else:
            time_models(Path(folder), options)


def time_models(folder: Path, options: argparse.Namespace) -> None:
    """Real-time factor of each model."""
    clip = render(folder / "clip.mp4", options.seconds, options.size)
    frame = render(folder / "frame.mp4", 1 / 24, options.size)
    print("| model | start-up s | run s | real-time factor | peak MiB |\n|---|---|---|---|---|")
    for model in options.models.split(","):
        measure(gen(frame, model))  # warms the file cache
        starts = [measure(gen(frame, model)).wall for _ in range(options.runs)]
        runs = [measure(gen(clip, model)) for _ in range(options.runs)]
        start, took = statistics.median(starts), statistics.median(run.wall for run in runs)
        factor, peak = (took - start) / options.seconds, max(run.peak for run in runs)
        print(f"| {model} | {start:.2f} | {took:.2f} | {factor:.2f} | {peak:.0f} |")


def compare_memory(folder: Path, options: argparse.Namespace) -> None:
    """Peak memory of a long film over that of a minute."""
    minute = render(folder / "minute.mp4", 60, "320x180")
    film = render(folder / "film.mp4", options.long, "320x180")
    print(
        "| model | peak MiB, 1 min | peak MiB, long | ratio | long run s |\n|---|---|---|---|---|"
    )
    for model in options.models.split(","):
        small, large = measure(gen(minute, model)), measure(gen(film, model))
        peaks = f"{small.peak:.0f} | {large.peak:.0f} | {large.peak / small.peak:.3f}"
        print(f"| {model} | {peaks} | {large.wall:.0f} |")


if __name__ == "__main__":
    main()
