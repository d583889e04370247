"""What ``foley gen --model library`` takes to start, against the import of torch.

    python benchmarks/start.py [--rounds 5]

A clip of one frame from command line to finished video, and ``python -c "import torch"``, in turns
in whole processes; the best of each counts. Ratios hold on other machines, seconds do not.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from foleycli.mux.ffmpeg import find_ffmpeg

QUIET = ["-nostdin", "-loglevel", "error", "-y"]


def make_film(path: Path, seconds: float, size: str) -> Path:
    """A drawing of the Mandelbrot set under a moving camera, H.264."""
    scene = ["-f", "lavfi", "-i", f"mandelbrot=s={size}:r=24:end_pts=960", "-t", str(seconds)]
    codec = "-c:v libx264 -preset veryfast -crf 20 -pix_fmt yuv420p".split()
    subprocess.run([find_ffmpeg(), *QUIET, *scene, *codec, str(path)], check=True)
    return path


def took(*command: str) -> float:
    """Seconds of a whole process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Print seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", default="1920x1080")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        clips = {
            "one frame": make_film(here / "frame.mp4", 1 / 24, options.size),
            "10 s": make_film(here / "clip.mp4", 10, options.size),
        }
        gen = ["-m", "foleycli.cli.main", "gen"]
        chosen = ["-o", str(here / "out.mp4"), "--overwrite", "-q", "--model", "library"]
        runs = {
            "import torch": ("-c", "import torch"),
            "import foleycli.generate": ("-c", "import foleycli.generate"),
            **{name: (*gen, str(clip), *chosen) for name, clip in clips.items()},
        }
        best = dict.fromkeys(runs, float("inf"))
        for _ in range(options.rounds):
            for name, command in runs.items():
                best[name] = min(best[name], took(*command))
    print("| what | seconds | x import torch |\n|---|---|---|")
    for name, seconds in best.items():
        print(f"| {name} | {seconds:.2f} | {seconds / best['import torch']:.2f} |")


if __name__ == "__main__":
    main()
