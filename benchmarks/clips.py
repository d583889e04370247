"""Score sounds against the own sound of real clips, with controls.

    python benchmarks/clips.py CLIPS --sounds WAVS          WAVS/<clip name>.wav (or any media file)
    python benchmarks/clips.py CLIPS --model library        made now, from the picture alone
    python benchmarks/clips.py CLIPS --model library --prompt   with the description as prompt
    python benchmarks/clips.py CLIPS --model small --speed fast

CLIPS is a folder of videos with clips.csv (file, class, description). Lower is better for kl,
higher for the others; the square brackets hold 95 % of 4000 means over resampled clips. A candidate
is to be read between its controls: a measure that does not order those says nothing.
"""

import argparse
import csv
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foleycli.config import OWN_SPEED
from foleycli.evaluate import compare as measures
from foleycli.evaluate.compare import MEASURES, Sound, describe
from foleycli.evaluate.interval import bootstrap
from foleycli.evaluate.sync import motion_curve
from foleycli.listeners.yamnet import SAMPLE_RATE
from foleycli.waveform.sound import read_sound

MEDIA = (".wav", ".flac", ".opus", ".mp4", ".mov", ".mkv")
Scores = dict[str, dict[str, NDArray[np.float64]]]  # row of the table, measure -> one a clip
Real = tuple[Sound, NDArray[np.float32]]  # a clip's own sound and its picture's motion onsets


def real_clips(paths: list[Path]) -> list[Real]:
    """Own sound and motion of every clip, kept in the user's cache from one run to the next."""
    return [_real_clip(path, _cache_file([path])) for path in paths]


def _cache_file(clips: list[Path]) -> Path:
    """Where what is measured on these clips by this code is kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "foleycli" / "clips"
    cache.mkdir(parents=True, exist_ok=True)
    code = [Path(__file__), *sorted(Path(measures.__file__).parent.glob("*.py"))]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in [*code, *clips]))
    return cache / f"{key.hexdigest()[:24]}.npz"


def _real_clip(path: Path, kept: Path) -> Real:
    if not kept.exists():
        np.savez(kept, motion=motion_curve(path), **asdict(describe(read_sound(path))))
    arrays = dict(np.load(kept))
    motion = arrays.pop("motion")
    return Sound(duration=float(arrays.pop("duration")), **arrays), motion


def score(real: list[Real], candidates: Iterable[Sound | None]) -> dict[str, NDArray[np.float64]]:
    """One number a clip for every measure; nan where there is no candidate."""
    nothing = dict.fromkeys(MEASURES, float("nan"))
    rows = [
        measures.compare(own, sound, motion) if sound else nothing
        for (own, motion), sound in zip(real, candidates, strict=True)
    ]
    return {name: np.array([row[name] for row in rows]) for name in MEASURES}


def kept_controls(real: list[Real], kept: Path) -> Scores:
    """The controls, from the cache when they are there."""
    if not kept.exists():
        np.savez(
            kept, **{f"{row}|{m}": v for row, s in controls(real).items() for m, v in s.items()}
        )
    named: Scores = {}
    for key, values in np.load(kept).items():
        row, _, measure = key.partition("|")
        named.setdefault(row, {})[measure] = values
    return named


def controls(real: list[Real]) -> Scores:
    """Rows every table has: the truth, other clips' sound, silence, white noise, a metronome."""
    rng = np.random.default_rng(0)

    def noise(samples: int) -> NDArray[np.float32]:
        return (0.1 * rng.standard_normal(samples)).astype(np.float32)

    def metronome(samples: int) -> NDArray[np.float32]:
        click = np.exp(-np.arange(800) / 100) * np.sin(np.arange(800) * 2 * np.pi / 16)
        times = np.zeros(samples, np.float32)
        times[rng.integers(SAMPLE_RATE // 3) :: SAMPLE_RATE // 3] = 1
        return np.convolve(times, click.astype(np.float32))[:samples]

    def made(
        make: Callable[[int], NDArray[np.float32]], draws: int = 12
    ) -> dict[str, NDArray[np.float64]]:
        samples = [round(own.duration * SAMPLE_RATE) for own, _ in real]
        return _mean([score(real, (describe(make(n)) for n in samples)) for _ in range(draws)])

    sounds = [own for own, _ in real]
    turned = [score(real, sounds[k:] + sounds[:k]) for k in range(1, len(real))]
    return {
        "the clip's own sound": score(real, sounds),
        "another clip's sound": _mean(turned),
        "silence": made(lambda n: np.zeros(n, np.float32), draws=1),
        "white noise": made(noise),
        "metronome, 3 a second": made(metronome),
    }


def _mean(scores: list[dict[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    return {name: np.mean([s[name] for s in scores], axis=0) for name in MEASURES}


def candidates_in(folder: Path, rows: list[dict[str, str]], real: list[Real]) -> list[Sound | None]:
    """The sound of the same name for every clip, cut or padded to the length of the clip's own."""
    found = [_find(folder, Path(row["file"]).stem) for row in rows]
    for row, path in zip(rows, found, strict=True):
        if path is None:
            print(f"no sound for {row['file']} in {folder}: left out")
    return [
        describe(_fitted(read_sound(path), own.duration)) if path else None
        for path, (own, _) in zip(found, real, strict=True)
    ]


def _find(folder: Path, stem: str) -> Path | None:
    paths = (folder / f"{stem}{suffix}" for suffix in MEDIA)
    return next((path for path in paths if path.exists()), None)


def _fitted(waveform: NDArray[np.float32], duration: float) -> NDArray[np.float32]:
    samples = round(duration * SAMPLE_RATE)
    return np.pad(waveform, (0, max(0, samples - len(waveform))))[:samples]


def make_sounds(
    out: Path, clips: Path, rows: list[dict[str, str]], options: argparse.Namespace
) -> None:
    """Let a model make the sound of every clip, as OUT/<clip name>.wav."""
    from foleycli.config import GenerateConfig
    from foleycli.generate import generate
    from foleycli.sources.open import open_source

    config = GenerateConfig(model=options.model, seed=options.seed, speed=options.speed, wav=True)
    source = open_source(config)
    for row in rows:
        prompt = row["description"] if options.prompt else None
        to = out / f"{Path(row['file']).stem}.mkv"
        generate(clips / row["file"], to, config, source, prompt=prompt)


def table(named: Scores) -> str:
    """Markdown: a row a candidate, mean [low, high] a measure."""
    lines = ["| sound | " + " | ".join(MEASURES) + " |", "|---" * (1 + len(MEASURES)) + "|"]
    for name, scores in named.items():
        cells = ["{:.2f} [{:.2f}, {:.2f}]".format(*bootstrap(scores[m])) for m in MEASURES]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("clips", type=Path, help="folder of videos with clips.csv")
    parser.add_argument("--sounds", type=Path, action="append", default=[], help="scored folder")
    parser.add_argument("--model", help="let this source make the sounds: library, small, ...")
    parser.add_argument("--speed", default=OWN_SPEED, help="of that model: fast, balanced, ...")
    parser.add_argument("--prompt", action="store_true", help="give it the clip's description")
    parser.add_argument("--seed", type=int, default=0, help="chance of the model's sounds")
    parser.add_argument("--each", action="store_true", help="also one line a clip")
    parser.add_argument("--json", type=Path, help="write every number here")
    options = parser.parse_args()
    with (options.clips / "clips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    paths = [options.clips / row["file"] for row in rows]
    real = real_clips(paths)
    named = kept_controls(real, _cache_file(paths))
    with tempfile.TemporaryDirectory() as folder:
        if options.model:
            make_sounds(Path(folder), options.clips, rows, options)
            name = f"{options.model}{', description as prompt' if options.prompt else ''}"
            name += "" if options.speed == OWN_SPEED else f", {options.speed}"
            named[name] = score(real, candidates_in(Path(folder), rows, real))
        for sounds in options.sounds:
            named[sounds.name] = score(real, candidates_in(sounds, rows, real))
    print(f"{len(rows)} clips of {options.clips.name}\n{table(named)}")
    if options.each:
        print(each_clip(rows, list(named.values())[-1]))
    if options.json:
        numbers = {k: {m: list(v[m]) for m in MEASURES} for k, v in named.items()}
        options.json.write_text(json.dumps(numbers, indent=1))


def each_clip(rows: list[dict[str, str]], scores: dict[str, NDArray[np.float64]]) -> str:
    """The last row of the table, clip by clip."""
    head = f"{'':40}" + "".join(f"{m:>8}" for m in MEASURES)
    lines = [
        f"{row['file'][:5]} {row['description'][:33]:34}"
        + "".join(f"{scores[m][i]:8.2f}" for m in MEASURES)
        for i, row in enumerate(rows)
    ]
    return "\n".join([head, *lines])


if __name__ == "__main__":
    main()
