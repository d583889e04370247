"""Recordings that sound like a file: a bank searched by ear.

A sound is known by its timbre (attack, body, flutter: `waveform.timbre`) and by how its level goes
from its loudest moment. Both are brought to the scale on which the shipped bank's recordings
differ; likeness falls with the distance between them.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from foleycli.config import MEL
from foleycli.errors import MediaError
from foleycli.folders import cache_folder
from foleycli.library.level import SAMPLE_RATE, Samples
from foleycli.library.recording import read_sound
from foleycli.library.segment import find_beds
from foleycli.library.table import SHIPPED, Recording, read_recordings
from foleycli.output import atomic_output, make_folder
from foleycli.spot.cues import LIKE, Cue, split_like

LONGEST = 6 * SAMPLE_RATE  # samples that are listened to
PREROLL = SAMPLE_RATE // 50  # samples before the onset that belong to a hit
STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 128)  # frames of 1/64 s after the loudest one
SILENT_DB = -40.0
TIMBRE_WEIGHT, SHAPE_WEIGHT = 1.0, 0.6  # see benchmarks/like.py
NEAR = 12.0  # distance at which likeness has fallen to 1/e
SOUNDS = "sounds.safetensors"  # of the shipped bank: ids in its metadata, "sounds" (n, SIZE)
Vector = NDArray[np.float32]


def describe(samples: Samples, onset: int = 0) -> Vector:
    """How a sound sounds, in 107 numbers: its timbre (96) and the shape of its level (11).

    Args:
        samples: (samples,) mono at 48 kHz.
        onset: where its attack is heard.
    """
    heard = samples[max(0, onset - PREROLL) :][:LONGEST]
    heard = soxr.resample(heard, SAMPLE_RATE, MEL.sample_rate).astype(np.float32)
    import torch  # seconds; who asks for no likeness needs it not

    from foleycli.waveform.mel import log_mel
    from foleycli.waveform.timbre import at_usual_level, find_timbre, frame_level

    mel = log_mel(torch.from_numpy(np.ascontiguousarray(heard)), MEL).T.numpy()
    usual = at_usual_level(mel)
    level = frame_level(usual)
    level = np.clip((level - level.max()) * 100, SILENT_DB, 0)  # `mel.compress`: 1 is 100 dB
    loudest = int(level.argmax())
    after = np.pad(level[loudest:], (0, STEPS[-1] + 1), constant_values=SILENT_DB)
    shape = [*(after[step] for step in STEPS), level.mean(), 10 * np.log2(1 + loudest)]
    return np.concatenate([find_timbre(usual), np.array(shape)]).astype(np.float32)


def likeness(known: Vector, file: Path) -> Vector:
    """How much each recording sounds like a file: (recordings,), 0 to 1.

    Args:
        known: (recordings, SIZE): how they sound, see `listen`.

    Raises:
        MediaError: the file cannot be read, or is silent.
    """
    asked = _described(str(file), file.stat().st_mtime_ns if file.is_file() else 0)
    spread = known.std(axis=0) + 1e-3
    weights = np.full(known.shape[1], TIMBRE_WEIGHT, np.float32)
    weights[-len(STEPS) - 2 :] = SHAPE_WEIGHT
    distance = np.linalg.norm((known - asked) / spread * weights, axis=1)
    return np.exp(-distance / NEAR).astype(np.float32)


def ask_like(cues: Iterable[Cue], file: Path, keep_words: bool = False) -> list[Cue]:
    """Cues that ask for sounds like a file: hits for one that strikes, beds for one that goes on;
    all, where there is none of its kind.

    Args:
        keep_words: both count, the words and the sound.

    Raises:
        MediaError: the file cannot be read, or is silent.
    """
    cues, file = list(cues), file.absolute()
    _described(str(file), file.stat().st_mtime_ns if file.is_file() else 0)
    kind = "bed" if find_beds(read_sound(file, 0, LONGEST)) else "hit"
    mine = [cue for cue in cues if cue.kind == kind] or cues

    def like(cue: Cue) -> str:
        words = split_like(cue.what)[0] if keep_words else ""
        return f"{words} {LIKE}{file}".strip()

    return [replace(cue, what=like(cue)) if cue in mine else cue for cue in cues]


def listen(recordings: Sequence[Recording], fingerprint: str) -> Vector:
    """(recordings, SIZE): how each recording of a bank sounds. Those of the shipped one are in
    the package; others are listened to once and remembered.

    Args:
        fingerprint: the bank's.
    """
    memory = cache_folder("library") / f"{fingerprint}.{SOUNDS}"
    known = {**_read(SHIPPED / SOUNDS), **_read(memory)}
    names = [_name(recording) for recording in recordings]
    new = [n for n, name in enumerate(names) if name not in known]
    for number in new:
        recording = recordings[number]
        known[names[number]] = describe(recording.read(), recording.onset)
    sounds = np.stack([known[name] for name in names])
    if new:
        _write(memory, names, sounds)
    return sounds


def _name(recording: Recording) -> str:
    said = f"{recording.id}|{recording.start}|{recording.samples}|{recording.level_db}"
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


def _read(path: Path) -> dict[str, Vector]:
    if not path.is_file():
        return {}
    try:
        kept = load_file(str(path))
        names = [bytes(name).hex() for name in kept["names"]]
        return dict(zip(names, kept["sounds"].astype(np.float32), strict=True))
    except Exception:  # a file cut short: it is listened to again
        return {}


def _write(path: Path, names: list[str], sounds: Vector) -> None:
    make_folder(path.parent)
    coded = np.array([list(bytes.fromhex(name)) for name in names], np.uint8)
    with atomic_output(path, overwrite=True) as beside:
        save_file({"names": coded, "sounds": sounds.astype(np.float16)}, str(beside))


@lru_cache(maxsize=32)
def _described(file: str, changed: int) -> Vector:
    samples = read_sound(Path(file), 0, LONGEST + SAMPLE_RATE)
    if not len(samples) or not np.abs(samples).max() > 1e-4:
        raise MediaError(f"{Path(file).name} is silent.", "Give another sound.")
    loud = np.abs(samples) > 0.05 * np.abs(samples).max()
    return describe(samples, int(loud.argmax()))


def write_shipped() -> None:
    """Listen to the shipped bank anew: python -m foleycli.library.like"""
    recordings = read_recordings(SHIPPED)
    sounds = np.stack([describe(r.read(), r.onset) for r in recordings])
    _write(SHIPPED / SOUNDS, [_name(r) for r in recordings], sounds)


if __name__ == "__main__":
    write_shipped()
