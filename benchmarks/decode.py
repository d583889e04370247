"""How fast films are read, against ffmpeg: decode, brightness of every frame, 4 a second in colour.

    python benchmarks/decode.py [FILM] [--cores 2] [--rounds 5]

All do their work in turns on the same cores, and the best round of each counts. Without FILM, a
10 s 1080p H.264 film with grain is made. ``ffmpeg -vf fps=4`` only decodes and chooses; with
``scale`` it also makes the 224 x 224 pictures, though not PIL's. Lower ratios are better.
"""

import argparse
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from foleycli.clip.probe import probe
from foleycli.frames.decode import decode_pictures
from foleycli.frames.resize import Shrinker
from foleycli.mux.ffmpeg import find_ffmpeg

QUIET = ["-nostdin", "-loglevel", "error", "-y"]
SCALE = ["-vf", "fps=4,scale=224:224", "-pix_fmt", "rgb24", "-f", "rawvideo", os.devnull]


def make_film(path: Path) -> Path:
    """10 s of moving bars and grain at 24 frames a second, H.264 at 5 Mbit/s."""
    source = "testsrc2=s=1920x1080:r=24:d=10,noise=alls=4:allf=t"
    codec = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-pix_fmt", "yuv420p"]
    command = [find_ffmpeg(), *QUIET, "-f", "lavfi", "-i", source, *codec, str(path)]
    subprocess.run(command, check=True)
    return path


def read(film: Path) -> None:
    """What ``foley gen`` does with a film before any sound."""
    for _ in decode_pictures(probe(film)):
        pass


def sample(film: Path) -> None:
    """Only the pictures that an encoder sees, without the brightness that motion is read from."""
    with mock.patch.object(Shrinker, "luma", lambda self, frame: None):
        read(film)


def run_ffmpeg(film: Path, *options: str) -> None:
    """The same by ffmpeg's command line."""
    subprocess.run([find_ffmpeg(), *QUIET, "-i", str(film), *options], check=True)


def cpu_seconds() -> float:
    """Of this process and the ended ones it started."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def best(rounds: int, *contenders: Callable[[], None]) -> list[tuple[float, float]]:
    """The least wall and CPU seconds of each, running in turns."""
    results = [(float("inf"), float("inf"))] * len(contenders)
    for _ in range(rounds):
        for i, contender in enumerate(contenders):
            wall, cpu = time.perf_counter(), cpu_seconds()
            contender()
            used = time.perf_counter() - wall, cpu_seconds() - cpu
            results[i] = min(results[i][0], used[0]), min(results[i][1], used[1])
    return results


def main() -> None:
    """Print ours, ffmpeg's and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("film", type=Path, nargs="?")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    with tempfile.TemporaryDirectory() as folder:
        film = arguments.film or make_film(Path(folder) / "film.mp4")
        every, sampled, choose, scale = best(
            arguments.rounds,
            lambda: read(film),
            lambda: sample(film),
            lambda: run_ffmpeg(film, "-vf", "fps=4", "-f", "null", "-"),
            lambda: run_ffmpeg(film, *SCALE),
        )
    print(f"{'':34} wall s   CPU s   to fps=4, CPU   to fps=4,scale, CPU")
    for name, (wall, cpu) in {
        "foleycli": every,
        "foleycli, 4 a second alone": sampled,
        "ffmpeg -vf fps=4": choose,
        "ffmpeg -vf fps=4,scale=224:224": scale,
    }.items():
        print(f"{name:34} {wall:6.2f}  {cpu:6.2f} {cpu / choose[1]:15.2f} {cpu / scale[1]:21.2f}")


if __name__ == "__main__":
    main()
