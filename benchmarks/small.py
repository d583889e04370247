"""Held-out sounds made again by ``small``, beside its bounds: each stage passed, the library.

    python benchmarks/small.py --sounds SOUNDS [--limit 318] [--bundle DIR] [--speed balanced]

The sounds, the cues drawn from them and the measures are those of ``benchmarks/library.py``: the
model is given the label, the times of the hits and the length, nothing else. Rows before it are the
real sounds through the vocoder, and through autoencoder and vocoder: what a perfect denoiser would
reach. A second table asks for hits at times drawn by chance, as a cue sheet would, and compares
the onsets that are heard.
"""

import argparse
import json
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import soxr
import torch
from library import Heard, controls, cues_of, embed_others, hear, read_rows
from numpy.typing import NDArray

from foleycli.config import SPEEDS
from foleycli.evaluate.fad import diagonal_distance, frechet_distance
from foleycli.evaluate.probe import fit_probe
from foleycli.evaluate.timing import onset_f1
from foleycli.library.bank import Bank
from foleycli.library.build import sound_label
from foleycli.library.level import SAMPLE_RATE, Samples
from foleycli.library.place import place_cues
from foleycli.library.recording import read_sound
from foleycli.sources.small import SHIPPED, SmallModel
from foleycli.sources.timbre import Examples
from foleycli.spot.cues import Cue
from foleycli.spot.render import render_features
from foleycli.waveform.join import Stretch, sound_stretches
from foleycli.waveform.mel import log_mel
from foleycli.waveform.vocoder import mel_to_waveform

LONGEST = 8 * SAMPLE_RATE  # samples of a sound that are used: one window
COLUMNS = ("probe_top1", "probe_top5", "fad_yamnet", "fad_diagonal", "f1_50ms", "f1_100ms")


class Sounder:
    """Ways to make a sound from cues, or from the true sound."""

    def __init__(self, bundle: Path, speed: str, steps: int | None, guidance: float) -> None:
        self.model, self.bank = SmallModel.load(bundle), Bank.open(None)
        self.speed, self.steps, self.guidance = SPEEDS[speed], steps, guidance
        self.seconds, self.spent = 0.0, 0.0

    def small(self, cues: list[Cue], samples: int, seed: int) -> Samples:
        """The whole way of ``foley gen --model small`` from cues on."""
        duration = Fraction(samples, SAMPLE_RATE)
        began = time.process_time()
        examples = Examples(self.bank, self.model.mel)
        rows = render_features(cues, duration, timbre=examples).rows
        stretch = Stretch(rows, Fraction(0), Fraction(0), duration)

        def sound_window(rows: NDArray[np.float32], seed: int) -> Samples:
            return self.model.generate(rows, seed, self.steps, self.guidance, speed=self.speed)

        rate = self.model.mel.sample_rate
        waveform = np.concatenate(list(sound_stretches([stretch], sound_window, rate, seed)))
        self.spent, self.seconds = self.spent + time.process_time() - began, self.seconds + 8
        return waveform

    def library(self, cues: list[Cue], samples: int, seed: int) -> Samples:
        """Recordings set at the cues."""
        return np.concatenate(
            list(place_cues(cues, self.bank, Fraction(samples, SAMPLE_RATE), seed=seed))
        )

    def through(self, samples: Samples, autoencoder: bool) -> Samples:
        """A real sound to mel and back, by way of the latents or not."""
        mel_config = self.model.mel
        waveform = soxr.resample(samples, SAMPLE_RATE, mel_config.sample_rate).astype(np.float32)
        token = self.model.autoencoder.patch * mel_config.hop_length
        waveform = np.pad(waveform, (0, -len(waveform) % token))
        mel = log_mel(torch.from_numpy(waveform), mel_config)
        if autoencoder:
            mel = self.model.autoencoder.decode(self.model.autoencoder.encode(mel[None]))[0]
        back = mel_to_waveform(mel, mel_config).numpy()
        return soxr.resample(back, mel_config.sample_rate, SAMPLE_RATE)[: len(samples)]


def chance_cues(label: str, random: np.random.Generator) -> list[Cue]:
    """One to six hits in 8 s, at least 0.4 s apart."""
    starts = np.cumsum(0.4 + random.exponential(0.9, size=random.integers(1, 7)))
    points = (Fraction(round(start * 64), 64) for start in starts if start < 7.5)
    return [Cue(start=start, duration=Fraction(3, 4), kind="hit", what=label) for start in points]


def mean_f1(heard: list[Heard], asked: list[list[float]], tolerance: float) -> float:
    """Mean over the sounds that were asked for at some time."""
    pairs = zip(asked, heard, strict=True)
    return float(
        np.nanmean([onset_f1(np.array(a), onsets, tolerance) for a, (_, onsets) in pairs if a])
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sounds", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=SHIPPED)
    parser.add_argument("--limit", type=int, default=10_000, help="held-out sounds to use")
    parser.add_argument("--speed", choices=SPEEDS, default="reference")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float, default=4.5)
    parser.add_argument("--kept", type=Path, default=Path("library_probe.npy"))
    parser.add_argument("--json", type=Path, help="write the scores here too")
    options = parser.parse_args()
    torch.set_num_threads(1)

    rows, others = read_rows(options.sounds)
    rows = rows[:: -(-len(rows) // options.limit)]
    probe = fit_probe(
        embed_others(options.sounds, others, options.kept), [row["class"] for row in others]
    )
    sounder = Sounder(options.bundle, options.speed, options.steps, options.guidance)
    heard: dict[str, list[Heard]] = {}
    asked: list[list[float]] = []
    random = np.random.default_rng(0)
    by_chance: dict[str, list[Heard]] = {"library": [], "small": []}
    chance_times: list[list[float]] = []
    for seed, row in enumerate(rows):
        samples, label = (
            read_sound(options.sounds / row["file"], 0, LONGEST),
            sound_label(row["label"]),
        )
        cues = cues_of(samples, label)
        asked.append([float(cue.start) for cue in cues if cue.kind == "hit"])
        made = {
            "the sounds themselves": samples,
            "mel, Griffin-Lim": sounder.through(samples, autoencoder=False),
            "latents, mel, Griffin-Lim": sounder.through(samples, autoencoder=True),
            "library": sounder.library(cues, len(samples), seed),
            "small": sounder.small(cues, len(samples), seed),
        }
        for name, waveform in made.items():
            heard.setdefault(name, []).append(hear(waveform))
        if (
            len(cues) == 1 and cues[0].kind == "hit" and seed % 2 == 0
        ):  # a thing that is struck once
            cues = chance_cues(label, random)
            chance_times.append([float(cue.start) for cue in cues])
            by_chance["library"].append(hear(sounder.library(cues, LONGEST, seed)))
            by_chance["small"].append(hear(sounder.small(cues, LONGEST, seed)))

    heard |= controls(options.sounds, rows, others)
    real = np.concatenate([patches for patches, _ in heard["the sounds themselves"]])
    real_means = np.stack([patches.mean(axis=0) for patches, _ in heard["the sounds themselves"]])
    classes = [row["class"] for row in rows]
    scores = {}
    for name, sounds in heard.items():
        means = np.stack([patches.mean(axis=0) for patches, _ in sounds])
        fad = frechet_distance(real, np.concatenate([patches for patches, _ in sounds]))
        plain = diagonal_distance(real_means, means)
        tops = [probe.top(means, classes, k) for k in (1, 5)]
        f1 = [mean_f1(sounds, asked, tolerance) for tolerance in (0.05, 0.1)]
        scores[name] = dict(zip(COLUMNS, [*tops, fad, plain, *f1], strict=True))
    print(
        f"{len(rows)} held-out sounds, {len(set(classes))} classes, probe on {len(others)} others"
    )
    print("| | probe top-1 / top-5 | fad_yamnet | fad_diagonal | F1 50 / 100 ms |")
    print("|---|---|---|---|---|")
    for name, row in scores.items():
        top1, top5, fad, plain, f50, f100 = row.values()
        print(
            f"| {name:28} | {top1:.3f} / {top5:.3f} | {fad:6.2f} | {plain:5.2f} "
            f"| {f50:.2f} / {f100:.2f} |"
        )
    print(
        f"\nhits asked for at {sum(map(len, chance_times))} times drawn by chance, F1 50 / 100 ms:"
    )
    for name, sounds in by_chance.items():
        f1 = [mean_f1(sounds, chance_times, tolerance) for tolerance in (0.05, 0.1)]
        print(f"{name:8} {f1[0]:.2f} / {f1[1]:.2f}")
        scores[f"{name}, chance times"] = dict(zip(COLUMNS[4:], f1, strict=True))
    print(f"\nsmall: {sounder.spent / sounder.seconds * 8:.2f} CPU-seconds for a window of 8 s")
    if options.json:
        options.json.write_text(json.dumps(scores, indent=1))


if __name__ == "__main__":
    main()
