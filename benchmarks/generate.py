"""Time and memory of ``foley gen`` from clip to video, as a whole process.

    python benchmarks/generate.py                    a 10 s 1080p clip, each source of sound
    python benchmarks/generate.py --long 3600        peak memory for 1 hour against 1 minute

Start-up is a run on a clip of one frame in the same session; real-time factor is (run - start-up) /
length of the clip. Peak memory is the largest resident set of the process.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
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


def run(clip: Path, *options: str) -> tuple[float, float]:
    """Wall seconds and peak MiB of one ``foley gen``."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"out{clip.suffix}"
        command = [
            sys.executable,
            "-m",
            "foleycli.cli.main",
            "gen",
            str(clip),
            "-o",
            str(out),
            "-q",
        ]
        began = time.perf_counter()
        process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"foley gen failed with exit code {process.returncode}")
    return seconds, _peak(usage)


def _peak(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


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
        chosen = ("--model", model)
        run(frame, *chosen)  # warms the file cache
        starts = [run(frame, *chosen)[0] for _ in range(options.runs)]
        runs = [run(clip, *chosen) for _ in range(options.runs)]
        start, took = statistics.median(starts), statistics.median(r[0] for r in runs)
        factor = (took - start) / options.seconds
        print(
            f"| {model} | {start:.2f} | {took:.2f} | {factor:.2f} | {max(r[1] for r in runs):.0f} |"
        )


def compare_memory(folder: Path, options: argparse.Namespace) -> None:
    """Peak memory of a long film over that of a minute."""
    minute = render(folder / "minute.mp4", 60, "320x180")
    film = render(folder / "film.mp4", options.long, "320x180")
    print(
        "| model | peak MiB, 1 min | peak MiB, long | ratio | long run s |\n|---|---|---|---|---|"
    )
    for model in options.models.split(","):
        _, small = run(minute, "--model", model)
        seconds, large = run(film, "--model", model)
        print(f"| {model} | {small:.0f} | {large:.0f} | {large / small:.3f} | {seconds:.0f} |")


if __name__ == "__main__":
    main()
