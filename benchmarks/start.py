"""What ``foley gen --model library`` takes to start, against the import of torch.

    python benchmarks/start.py [--rounds 5]

A clip of one frame from command line to finished video, and ``python -c "import torch"``, in turns
in whole processes; the best of each counts. Ratios hold on other machines, seconds do not; on a
busy machine believe the CPU seconds, which are of all threads and of the ffmpegs that it starts.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from generate import gen, measure, render


def main() -> None:
    """Print seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", default="1920x1080")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        clips = {
            "one frame": render(here / "frame.mp4", 1 / 24, options.size),
            "10 s": render(here / "clip.mp4", 10, options.size),
        }
        runs = {
            "import torch": [sys.executable, "-c", "import torch"],
            "import foleycli.generate": [sys.executable, "-c", "import foleycli.generate"],
            **{name: gen(clip, "library") for name, clip in clips.items()},
        }
        costs = {name: [] for name in runs}
        for _ in range(options.rounds):
            for name, command in runs.items():
                costs[name].append(measure(command))
    best = {
        name: (min(cost.wall for cost in found), min(cost.cpu for cost in found))
        for name, found in costs.items()
    }
    print("| what | seconds | x import torch | CPU s | x import torch |\n|---|---|---|---|---|")
    base_wall, base_cpu = best["import torch"]
    for name, (wall, cpu) in best.items():
        print(
            f"| {name} | {wall:.2f} | {wall / base_wall:.2f} | {cpu:.2f} | {cpu / base_cpu:.2f} |"
        )


if __name__ == "__main__":
    main()
