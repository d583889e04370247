"""How fast is foley visualize, and how much memory does it take?

    python benchmarks/visualize.py sheet [--minutes 60] [--sound FILE]
    python benchmarks/visualize.py rushes [--shots 200]

``sheet``: a sound of so many minutes (``--sound`` repeated, or bursts over noise) becomes a sheet;
prints its length over the wall-clock and over the CPU time, and the peak memory of the process.
``rushes``: an index of so many shots is made up, then asked; prints the seconds of an answer.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

RATE = 48_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("sheet", "rushes"))
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--sound", type=Path)
    parser.add_argument("--shots", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.what == "sheet":
            sheet(Path(folder), options.minutes, options.sound)
        else:
            rushes(Path(folder), options.shots)


def sheet(folder: Path, minutes: float, sound: Path | None) -> None:
    """Time a whole run in a process of its own."""
    path = folder / "long.wav"
    write_long(path, minutes, sound)
    command = [sys.executable, "-m", "foleycli.cli.main", "visualize", str(path), "-q"]
    began = time.monotonic()
    subprocess.run([*command, "-o", str(folder / "long.mov")], check=True)
    wall = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu, seconds = used.ru_utime + used.ru_stime, 60 * minutes
    print(f"{minutes:g} minutes of sheet, 1280x720 at 24: {wall:.0f} s")
    print(f"  {seconds / wall:.1f} x real time")
    print(f"  CPU {cpu:.0f} s: {2 * seconds / cpu:.1f} x real time on two free cores")
    size = (folder / "long.mov").stat().st_size / 1e6
    print(f"  peak memory {used.ru_maxrss / 1024:.0f} MiB, film {size:.0f} MB")


def write_long(path: Path, minutes: float, sound: Path | None) -> None:
    """A stereo sound of so many minutes."""
    if sound:
        piece, rate = soundfile.read(sound, dtype="float32", always_2d=True)
    else:
        rate, random = RATE, np.random.default_rng(0)
        piece = 0.01 * random.standard_normal((30 * rate, 2)).astype(np.float32)
        for first in random.integers(0, len(piece) - rate, 60):
            burst = (
                random.standard_normal((rate // 2, 2))
                * np.exp(-np.arange(rate // 2) / 3000)[:, None]
            )
            piece[first : first + len(burst)] += (0.3 * random.random() * burst).astype(np.float32)
    left = round(minutes * 60 * rate)
    with soundfile.SoundFile(path, "w", rate, piece.shape[1], "PCM_24") as file:
        while left > 0:
            file.write(piece[:left])
            left -= min(left, len(piece))


def rushes(folder: Path, shots: int) -> None:
    """Time the answer to 30 s of sound, from an index that holds so many shots."""
    from foleycli.config import FEATURES
    from foleycli.visualize.hear import hear
    from foleycli.visualize.index import Seen, _entry, _keep, open_index
    from foleycli.visualize.rushes import choose, find_slots, list_shots
    from foleycli.visualize.sound import open_sound

    random = np.random.default_rng(0)
    films = [folder / f"shot_{n:04}.mov" for n in range(shots)]
    for film in films:
        film.touch()
        seconds = int(random.integers(4, 30))
        seen = Seen(
            path=film,
            duration=Fraction(seconds),
            frame_rate=Fraction(25),
            start=Fraction(0),
            drop=False,
            cuts=(),
            what=random.standard_normal((4 * seconds, FEATURES.what_size)).astype(np.float32),
            classes=random.random((2 * seconds, 1000)).astype(np.float32),
            motion=random.random(25 * seconds).astype(np.float32) ** 4,
            hits=random.random(25 * seconds).astype(np.float32) ** 8,
        )
        _keep(_entry(folder, film), seen)
    write_long(folder / "sound.wav", 0.5, None)
    began = time.monotonic()
    sound = open_sound(folder / "sound.wav")
    heard = hear(sound)
    listened = time.monotonic()
    found = list_shots(open_index(folder, folder, among=films))
    chosen = choose(
        found, find_slots(heard, sound.frames(Fraction(25)), Fraction(25)), heard, Fraction(25)
    )
    end = time.monotonic()
    print(f"{len(found)} shots, {len(chosen)} cuts: {end - began:.2f} s")
    print(f"  of which listening {listened - began:.2f} s")


if __name__ == "__main__":
    main()
