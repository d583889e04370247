"""The table of README: what starts, clips and an hour of film cost here, as ratios in one run.

    python benchmarks/all.py [--film 600] [--rounds 3] [--small]

Whole processes, in turns; the least of the rounds counts. *CPU s* are those of all threads. Each
row has its own baseline, measured in the same run: ``python -c "import torch"`` for a start,
`ffmpeg -f null -` of the same file for reading film, real time for sounding it. The film repeats a
minute of the Mandelbrot set, in which every picture differs: most film costs less. 600 s of it
stand for an hour: rows are linear in its length, but for a start. 2 to 6 minutes on two idle cores.
On busy ones believe CPU seconds and ratios, not the clock.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from decode import best, read
from generate import Cost, gen, measure, render

from foleycli.mux.ffmpeg import find_ffmpeg
from foleycli.processes import count_threads

MODEL = "library"
QUIET = ["-nostdin", "-loglevel", "error"]


def cost(command: list[str], rounds: int) -> Cost:
    """The least seconds of some runs, and the most memory."""
    runs = [measure(command) for _ in range(rounds)]
    wall, cpu = min(run.wall for run in runs), min(run.cpu for run in runs)
    return Cost(wall, cpu, max(run.peak for run in runs))


def describe_machine() -> str:
    """Processor, cores and commit, in one line."""
    name = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        lines = [line for line in facts.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    here = Path(__file__).parent
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=here, capture_output=True, text=True, check=False,
    )  # fmt: skip
    busy = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{name}, {count_threads()} threads{busy}, commit {done.stdout.strip() or 'unknown'}"


def row(name: str, used: Cost, ratio: float, baseline: str) -> None:
    seconds = f"{used.wall:.1f} | {used.cpu:.1f} | {used.peak:.0f}"
    print(f"| {name} | {seconds} | {ratio:.2f} x {baseline} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--film", type=float, default=600, help="seconds of the long film")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="also sound by the small model")
    options = parser.parse_args()
    print(f"{describe_machine()}\n")
    print("| what | s by the clock | CPU s | peak MiB | ratio in the same run |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        frame = render(here / "frame.mp4", 1 / 24, "1920x1080")
        clip = render(here / "clip.mp4", 10, "1920x1080")
        torch = cost([sys.executable, "-c", "import torch"], options.rounds)
        row('`python -c "import torch"`', torch, 1, "itself")
        cost(gen(frame, MODEL), 1)  # graphs and tables are kept from now on
        used = cost(gen(frame, MODEL), options.rounds)
        row("one frame of 1080p, `library`", used, used.wall / torch.wall, "import torch")
        for model in (MODEL, *(("small",) if options.small else ())):
            used = cost(gen(clip, model), options.rounds)
            row(f"10 s of 1080p, `{model}`", used, used.wall / 10, "real time")
        film = render(here / "film.mp4", options.film, "320x180")
        for name, path in (("10 s of 1080p", clip), (f"{options.film:g} s of 320x180", film)):
            reading(name, path, options.rounds)
        minute = cost(gen(render(here / "minute.mp4", 60, "320x180"), MODEL), 1)
        used = cost(gen(film, MODEL), 1)
        row(
            f"{options.film:g} s of 320x180, `library`", used, used.wall / options.film, "real time"
        )
        row("its peak memory", used, used.peak / minute.peak, "a minute's")


def reading(name: str, film: Path, rounds: int) -> None:
    """Decoding with brightness of every picture and four a second in colour, against ffmpeg."""
    null = [find_ffmpeg(), *QUIET, "-i", str(film), "-f", "null", "-"]
    ours, theirs = best(rounds, lambda: read(film), lambda: subprocess.run(null, check=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    row(f"{name}, read alone", Cost(*ours, peak), ours[1] / theirs[1], "`ffmpeg -f null -`, CPU")


if __name__ == "__main__":
    main()
