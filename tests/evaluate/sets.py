"""A small set for tests of evaluations: films of strikes with their own sound, and other sounds."""

from pathlib import Path

import ffmpeg
import numpy as np
import soundfile

from foleycli.mux.ffmpeg import run_ffmpeg
from tests.films import strikes, write_film

RATE = 16_000
SECONDS = 2.0
CLIPS = 6


def strike_times(number: int) -> list[float]:
    """When clip ``number`` is struck."""
    return [0.3 + 0.07 * number, 1.1 + 0.05 * (number % 3), 1.6]


def knocks(path: Path, times: list[float], pitch: float = 3.0) -> Path:
    """Write a sound of decaying tones."""
    sound = np.random.default_rng(1).normal(0, 1e-3, int(SECONDS * RATE)).astype(np.float32)
    for time in times:
        decay = np.exp(-np.arange(RATE // 8) / 400)
        at = int(time * RATE)
        tone = 0.5 * decay * np.sin(np.arange(len(decay)) / pitch)
        sound[at : at + len(tone)] += tone[: len(sound) - at]
    soundfile.write(path, sound, RATE)
    return path


def write_set(folder: Path, clips: int = CLIPS) -> Path:
    """Films with their own sound and a CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["file,label,prompt"]
    for number in range(clips):
        picture = write_film(folder / "silent.mov", strikes(strike_times(number), SECONDS))
        sound = knocks(folder / "own.wav", strike_times(number))
        streams = ffmpeg.input(str(picture)).video, ffmpeg.input(str(sound)).audio
        clip, options = folder / f"c{number}.mp4", {"c:v": "copy", "c:a": "aac"}
        run_ffmpeg(ffmpeg.output(*streams, str(clip), **options), "make a clip")
        rows.append(f"c{number}.mp4,{'wood' if number % 2 else 'metal'},a stick strikes {number}")
    for name in ("silent.mov", "own.wav"):
        (folder / name).unlink()
    (folder / "clips.csv").write_text("\n".join(rows) + "\n")
    return folder


def write_sounds(folder: Path, clips: int = CLIPS, late: float = 0.0) -> Path:
    """Sounds of another system for the set, this much too late."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(clips):
        times = [(time + late) % (SECONDS - 0.15) for time in strike_times(number)]
        knocks(folder / f"c{number}.wav", times, pitch=4.0)
    return folder
