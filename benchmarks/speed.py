"""What the speeds of the diffusion models cost, in time and in error.

    python benchmarks/speed.py [--sounds SOUNDS] [--limit 24] [--exact]
    python benchmarks/speed.py --bundle FOLDER      diff-foley: see benchmarks/diff_foley.py

For ``small``, windows of shipped labels or of held-out sounds. *CPU*: seconds a window, and as a
share of the reference's in the same run; the sampling and the way from mel to waveform apart.
*error*: RMS distance of the mel from that of 25 full steps, in dB, over all bands and frames, mean
of the windows. With ``--exact`` also from 100 full steps, where 25 are themselves off. *other seed*
is how far another draw of the same window is. What YAMNet hears: benchmarks/small.py --speed.

For ``diff-foley`` seconds, and the error of the latent against 25 full steps: with weights made by
rule it says nothing, with real ones it is what a user wants to know.
"""

import argparse
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foleycli.config import SPEEDS, SpeedConfig
from foleycli.library.bank import Bank
from foleycli.sources.small import ROWS, SmallModel
from foleycli.sources.timbre import Examples
from foleycli.spot.cues import Cue
from foleycli.spot.render import render_features
from foleycli.waveform.vocoder import mel_to_waveform

WORDS = (
    "footsteps on gravel", "dog barking", "door slam", "rain", "car engine", "glass breaking",
    "sword swing", "typing on a keyboard", "waves on a beach", "hammer on metal", "paper rustle",
    "applause",
)  # fmt: skip


def windows_of_words(limit: int, model: SmallModel) -> list[NDArray[np.float32]]:
    """Rows (32, 512): three hits and a bed of each of some words."""
    examples, rows = Examples(Bank.open(None), model.mel), []
    for number in range(limit):
        what = WORDS[number % len(WORDS)]
        random = np.random.default_rng(number)
        starts = np.sort(random.integers(0, 7 * 64, 3))
        hits = [
            Cue(start=Fraction(int(at), 64), duration=Fraction(1), kind="hit", what=what)
            for at in starts
        ]
        bed = Cue(start=Fraction(2), duration=Fraction(4), kind="bed", what=what, level_db=-12.0)
        cues = [*hits, bed]
        rows.append(render_features(cues, Fraction(8), timbre=examples).rows)
    return rows


def windows_of_sounds(sounds: Path, limit: int, model: SmallModel) -> list[NDArray[np.float32]]:
    """Rows of held-out sounds, as benchmarks/small.py asks for them."""
    from library import cues_of, read_rows

    from foleycli.library.build import sound_label
    from foleycli.library.level import SAMPLE_RATE
    from foleycli.library.recording import read_sound

    examples, rows = Examples(Bank.open(None), model.mel), []
    held_out = read_rows(sounds)[0]
    for row in held_out[:: -(-len(held_out) // limit)]:
        samples = read_sound(sounds / row["file"], 0, 8 * SAMPLE_RATE)
        cues = cues_of(samples, sound_label(row["label"]))
        window = np.zeros((ROWS, 512), np.float32)
        made = render_features(cues, Fraction(len(samples), SAMPLE_RATE), timbre=examples).rows
        window[: len(made)] = made[:ROWS]
        rows.append(window)
    return rows


def spent(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and its CPU seconds."""
    began = time.process_time()
    made = work()
    return made, time.process_time() - began


def distance(mels: list[Tensor], others: list[Tensor]) -> float:
    """RMS distance in dB, mean of the windows; silence counts."""
    pairs = zip(mels, others, strict=True)
    return float(np.mean([100 * float((a - b).square().mean().sqrt()) for a, b in pairs]))


def compare_small(options: argparse.Namespace) -> None:
    """The table of ``small``."""
    model = SmallModel.load()
    rows = (
        windows_of_sounds(options.sounds, options.limit, model)
        if options.sounds
        else windows_of_words(options.limit, model)
    )

    def draw(speed: SpeedConfig, first: int = 0) -> tuple[list[Tensor], float]:
        model.sample(rows[0], 0, 1, speed=speed)  # weights are laid out
        drawn = [
            spent(lambda s=s, w=w: model.decode(model.sample(w, s, speed.steps, speed=speed), w))
            for s, w in enumerate(rows, first)
        ]
        return [mel for mel, _ in drawn], float(np.mean([seconds for _, seconds in drawn]))

    reference = SPEEDS["reference"]
    exact = (
        draw(SpeedConfig(steps=100, iterations=reference.iterations))[0] if options.exact else []
    )
    full, base = draw(reference)
    print(f"{len(rows)} windows of 8 s, {torch.get_num_threads()} thread")
    print(
        "| speed | steps | sampling, CPU s | of reference | error dB | to 100 steps | Griffin-Lim |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, speed in SPEEDS.items():
        mels, seconds = (full, base) if name == "reference" else draw(speed)
        sounding = [
            spent(partial(mel_to_waveform, mel, model.mel, s, speed.iterations))[1]
            for s, mel in enumerate(mels)
        ]
        far = f"{distance(mels, exact):.2f}" if exact else ""
        print(
            f"| {name} | {speed.steps} | {seconds:.3f} | {seconds / base:.2f} "
            f"| {distance(mels, full):.2f} | {far} | {np.mean(sounding):.3f} |",
            flush=True,
        )
    print(f"other seed: {distance(draw(reference, 1000)[0], full):.2f} dB")


def compare_bundle(folder: Path) -> None:
    """The table of a bundle of the family of ``diff-foley``."""
    from foleycli.models.bundle import Bundle
    from foleycli.sources.diff_foley import DiffFoleyModel

    model = DiffFoleyModel(Bundle.open(folder))
    random = np.random.default_rng(0)
    rows = random.standard_normal((ROWS, 512), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    model.sample(rows, [0], 1)  # reads the weights
    print(f"one window of 8 s, {torch.get_num_threads()} threads")
    print("| speed | steps | s | CPU s | of reference | latent error |\n|---|---|---|---|---|---|")
    full, base = None, 0.0
    for name, speed in SPEEDS.items():
        began = time.perf_counter()
        latent, seconds = spent(partial(model.sample, rows, [0], speed.steps, speed=speed))
        clock = time.perf_counter() - began
        full, base = (latent, seconds) if full is None else (full, base)
        error = float((latent - full).norm() / full.norm())
        print(
            f"| {name} | {speed.steps} | {clock:.1f} | {seconds:.1f} | {seconds / base:.2f} "
            f"| {error:.3f} |",
            flush=True,
        )


@torch.inference_mode()
def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sounds", type=Path, help="folder with sounds.csv")
    parser.add_argument("--limit", type=int, default=24, help="windows")
    parser.add_argument("--exact", action="store_true", help="also against 100 steps")
    parser.add_argument("--bundle", type=Path, help="of diff-foley")
    options = parser.parse_args()
    if options.bundle:
        compare_bundle(options.bundle)
        return
    torch.set_num_threads(1)
    compare_small(options)


if __name__ == "__main__":
    main()
