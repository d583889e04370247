"""How long measuring takes: 100 clips of 10 s, three systems' sounds, controls, tables.

    python benchmarks/evaluate.py --jobs 2

Films and sounds are made first and not counted, and the cache begins empty. What is printed: wall
time and processor time of `foley eval run` on finished sounds and of `foley eval table`, the
largest process, and the same run again, when all is known.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ffmpeg
import numpy as np
import soundfile

from foleycli.mux.ffmpeg import run_ffmpeg

RATE = 48_000
SYSTEMS = ("one", "two", "three")


def make_sound(path: Path, seconds: float, seed: int) -> None:
    """Bursts of filtered noise at times of their own over a soft bed."""
    rng = np.random.default_rng(seed)
    samples = int(seconds * RATE)
    sound = 0.01 * rng.standard_normal(samples)
    for _ in range(int(rng.integers(4, 20))):
        at, decay = int(rng.integers(samples - RATE)), rng.uniform(0.02, 0.3) * RATE
        burst = rng.standard_normal(RATE) * np.exp(-np.arange(RATE) / decay)
        width = int(rng.integers(1, 60))
        sound[at : at + RATE] += np.convolve(burst, np.ones(width) / width, "same")
    soundfile.write(path, 0.5 * sound / np.abs(sound).max(), RATE)


def make_set(folder: Path, clips: int, seconds: float) -> None:
    """Films of a moving test picture, 640 x 360, each with a sound of its own."""
    for name in ("set", *SYSTEMS):
        (folder / name).mkdir()
    rows = ["file,label"]
    for number in range(clips):
        for k, name in enumerate(SYSTEMS):
            make_sound(folder / name / f"{number:03}.wav", seconds, 10 * number + k)
        make_sound(folder / "own.wav", seconds, 10 * number + 9)
        source = f"testsrc2=size=640x360:rate=25:duration={seconds}"
        picture = ffmpeg.input(source, f="lavfi").video.filter("hue", h=number)
        sound = ffmpeg.input(str(folder / "own.wav")).audio
        clip = folder / "set" / f"{number:03}.mp4"
        options = {"c:v": "libx264", "preset": "ultrafast", "crf": 28, "c:a": "aac"}
        run_ffmpeg(ffmpeg.output(picture, sound, str(clip), **options), "make a clip")
        rows.append(f"{clip.name},{number % 10}")
    (folder / "set" / "clips.csv").write_text("\n".join(rows) + "\n")


def timed(*command: str, cache: Path) -> str:
    """Run a foley command and say what it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    environment = {**os.environ, "FOLEY_CACHE": str(cache)}
    line = [sys.executable, "-m", "foleycli.cli.main", "eval", *command]
    subprocess.run(line, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (
        f"{time.monotonic() - began:7.1f} s wall, {processor:7.1f} s of processors, "
        f"largest process so far {after.ru_maxrss / 1024:.0f} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--measures", help="commas between; by default all that can be taken")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_set(folder, options.clips, options.seconds)
        models = ",".join(f"{name}={folder / name}" for name in SYSTEMS)
        run = ["run", str(folder / "set"), "--models", models, "--samples", "1",
               "--jobs", str(options.jobs), "--out", str(folder / "run"), "--quiet"]  # fmt: skip
        run += ["--measures", options.measures] if options.measures else []
        cache = folder / "cache"
        print(f"{options.clips} clips of {options.seconds:g} s, {len(SYSTEMS)} systems, "
              f"{options.jobs} processes")  # fmt: skip
        print("run    ", timed(*run, cache=cache), flush=True)
        print("table  ", timed("table", str(folder / "run"), "-f", "csv", cache=cache))
        print("again  ", timed(*run, cache=cache))


if __name__ == "__main__":
    main()
