"""What the speeds of the diffusion models cost, in time and in error.

    python benchmarks/speed.py [--sounds SOUNDS] [--limit 24] [--exact] [--bundle FOLDER]
    python benchmarks/speed.py --sounds SOUNDS --limit 66 --heard
    python benchmarks/speed.py --bundle FOLDER      of diff-foley: see benchmarks/diff_foley.py

For ``small``, windows of shipped labels or of held-out sounds. *CPU*: seconds a window, and as a
share of the reference's in the same run; the sampling and the way from mel to waveform apart.
*error*: RMS distance of the mel from that of 25 full steps, in dB, over all bands and frames, mean
of the windows. With ``--exact`` also from 100 full steps, where 25 are themselves off. *other seed*
is how far another draw of the same window is. A student of few steps (`foley train fewsteps`),
where the bundle has one, stands beside the steps that it replaces.

With ``--heard``, what YAMNet hears of held-out sounds that are made again, beside the sounds: FAD
of their patches, FAD of one embedding a sound without covariances, likeness to the sound itself
(cosine of centred embeddings) and onset F1 within 50 ms; 95 % intervals over the sounds, and of the
likeness how far it is from the reference's, sound by sound. With a probe: benchmarks/small.py.

For ``diff-foley`` seconds, and the error of the latent against 25 full steps: with weights made by
rule it says nothing, with real ones it is what a user wants to know.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from library import cues_of, hear, read_rows
from numpy.typing import NDArray
from torch import Tensor

from foleycli.config import SPEEDS, SpeedConfig
from foleycli.evaluate.fad import diagonal_distance, frechet_distance
from foleycli.evaluate.interval import bootstrap
from foleycli.evaluate.semantics import cosy
from foleycli.evaluate.timing import onset_f1
from foleycli.library.bank import Bank
from foleycli.library.build import sound_label
from foleycli.library.level import SAMPLE_RATE, Samples
from foleycli.library.recording import read_sound
from foleycli.sources.identity import DIFF_FOLEY, find_family
from foleycli.sources.small import ROWS, SHIPPED, SmallModel
from foleycli.sources.timbre import Examples
from foleycli.spot.cues import Cue
from foleycli.spot.render import render_features
from foleycli.waveform.vocoder import mel_to_waveform

Rows = NDArray[np.float32]
WORDS = (
    "footsteps on gravel", "dog barking", "door slam", "rain", "car engine", "glass breaking",
    "sword swing", "typing on a keyboard", "waves on a beach", "hammer on metal", "paper rustle",
    "applause",
)  # fmt: skip


def windows_of_words(limit: int, model: SmallModel) -> list[Rows]:
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


def held_out(
    sounds: Path, limit: int, model: SmallModel
) -> Iterator[tuple[Samples, list[Cue], Rows]]:
    """Held-out sounds, the cues that are drawn from them and their rows, as benchmarks/small.py
    asks for them."""
    examples = Examples(Bank.open(None), model.mel)
    known = read_rows(sounds)[0]
    for row in known[:: -(-len(known) // limit)]:
        samples = read_sound(sounds / row["file"], 0, 8 * SAMPLE_RATE)
        cues = cues_of(samples, sound_label(row["label"]))
        duration = Fraction(len(samples), SAMPLE_RATE)
        yield samples, cues, render_features(cues, duration, timbre=examples).rows[:ROWS]


def windows_of_sounds(sounds: Path, limit: int, model: SmallModel) -> list[Rows]:
    """Rows (32, 512) of held-out sounds."""
    found = [rows for _, _, rows in held_out(sounds, limit, model)]
    return [np.pad(rows, ((0, ROWS - len(rows)), (0, 0))) for rows in found]


def ways(model: SmallModel, only: str = "") -> dict[str, SpeedConfig]:
    """The speeds, and that of the student without it; or some of them."""
    alone = {
        f"{name}, no student": replace(speed, distilled=False)
        for name, speed in SPEEDS.items()
        if speed.distilled and model.few_steps
    }
    known = SPEEDS | alone
    return {name: known[name] for name in only.split(",")} if only else known


def steps_of(model: SmallModel, speed: SpeedConfig) -> int:
    """Those that are taken."""
    return model.few_steps.steps if model.few_steps and speed.distilled else speed.steps


def spent(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and its CPU seconds."""
    began = time.process_time()
    made = work()
    return made, time.process_time() - began


def distance(mels: list[Tensor], others: list[Tensor]) -> float:
    """RMS distance in dB, mean of the windows; silence counts."""
    pairs = zip(mels, others, strict=True)
    return float(np.mean([100 * float((a - b).square().mean().sqrt()) for a, b in pairs]))


def compare_small(options: argparse.Namespace, model: SmallModel) -> None:
    """The table of ``small``."""
    rows = (
        windows_of_sounds(options.sounds, options.limit, model)
        if options.sounds
        else windows_of_words(options.limit, model)
    )

    def draw(speed: SpeedConfig, first: int = 0) -> tuple[list[Tensor], float]:
        model.sample(rows[0], 0, None, speed=speed)  # weights are laid out
        drawn = [
            spent(lambda s=s, w=w: model.decode(model.sample(w, s, None, speed=speed), w))
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
    for name, speed in ways(model).items():
        mels, seconds = (full, base) if name == "reference" else draw(speed)
        sounding = [
            spent(partial(mel_to_waveform, mel, model.mel, s, speed.iterations))[1]
            for s, mel in enumerate(mels)
        ]
        far = f"{distance(mels, exact):.2f}" if exact else ""
        print(
            f"| {name} | {steps_of(model, speed)} | {seconds:.3f} | {seconds / base:.2f} "
            f"| {distance(mels, full):.2f} | {far} | {np.mean(sounding):.3f} |",
            flush=True,
        )
    print(f"other seed: {distance(draw(reference, 1000)[0], full):.2f} dB")


def compare_heard(options: argparse.Namespace, model: SmallModel) -> None:
    """What is heard of held-out sounds that ``small`` makes again, speed by speed."""
    real, asked, made, costs = [], [], {}, {}
    names = ways(model, options.only)
    for speed in names.values():
        model.sample(np.ones((ROWS, 512), np.float32), 0, None, speed=speed)  # weights are laid out
    for seed, (samples, cues, rows) in enumerate(held_out(options.sounds, options.limit, model)):
        real.append(hear(samples))
        asked.append([float(cue.start) for cue in cues if cue.kind == "hit"])
        for name, speed in names.items():
            sound, seconds = spent(partial(model.generate, rows, seed, speed=speed))
            heard = hear(soxr.resample(sound, model.mel.sample_rate, SAMPLE_RATE)[: len(samples)])
            made.setdefault(name, []).append(heard)
            costs.setdefault(name, []).append(seconds)
    draws = np.random.default_rng(0).integers(0, len(real), (1000, len(real)))
    patches, means = (np.concatenate([p for p, _ in real]), np.stack([p.mean(0) for p, _ in real]))
    likes = {
        name: np.array([cosy(one, p.mean(0)) for one, (p, _) in zip(means, heard, strict=True)])
        for name, heard in made.items()
    }
    base = np.mean(costs["reference"])
    print(f"{len(real)} held-out sounds, {torch.get_num_threads()} thread")
    print(
        "| speed | steps | fad_yamnet | fad_diagonal | likeness | less than reference | F1 | CPU |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, heard in made.items():
        own = np.stack([p.mean(0) for p, _ in heard])
        fad = frechet_distance(patches, np.concatenate([p for p, _ in heard]))
        drawn = [diagonal_distance(means[draw], own[draw]) for draw in draws]
        low, high = np.quantile(drawn, (0.025, 0.975))
        like, less = bootstrap(likes[name]), bootstrap(likes["reference"] - likes[name])
        f1 = [
            onset_f1(np.array(times), onsets, 0.05)
            for times, (_, onsets) in zip(asked, heard, strict=True)
            if times
        ]
        print(
            f"| {name} | {steps_of(model, names[name])} | {fad:.1f} "
            f"| {diagonal_distance(means, own):.2f} [{low:.2f}, {high:.2f}] "
            f"| {interval(like)} | {interval(less)} | {interval(bootstrap(np.array(f1)))} "
            f"| {np.mean(costs[name]):.2f} s, {np.mean(costs[name]) / base:.2f} x |",
            flush=True,
        )


def interval(found: tuple[float, float, float]) -> str:
    """A mean and where it lies."""
    return f"{found[0]:.3f} [{found[1]:.3f}, {found[2]:.3f}]"


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
    parser.add_argument("--only", default="", help="of --heard: reference,fast")
    parser.add_argument("--heard", action="store_true", help="what YAMNet hears; needs --sounds")
    parser.add_argument("--bundle", type=Path, help="of diff-foley, or of the family of small")
    options = parser.parse_args()
    if options.heard and not options.sounds:
        parser.error("--heard needs --sounds")
    if options.bundle and find_family(options.bundle) == DIFF_FOLEY:
        compare_bundle(options.bundle)
        return
    torch.set_num_threads(1)
    model = SmallModel.load(options.bundle or SHIPPED)
    (compare_heard if options.heard else compare_small)(options, model)


if __name__ == "__main__":
    main()
