"""What the paper's experiment takes at its own size: hours, disk, bandwidth and cost, from what is
measured here.

    python benchmarks/scale.py CLIPS                    # any folder of ordinary clips
    python benchmarks/scale.py CLIPS --gpus 8 --cores 96 --gpu-flops 150e12 --gpu-price 2.5

Measured here, in CPU seconds of one core: decoding and writing frames, spectrograms, close-ups
and moves of the clips, and reading shards. Counted: the operations of an update of the student and
of sounding a clip, of networks of the published size, on torch's meta device. Assumed, and yours
to set: how many operations a second a GPU sustains, and prices. Clips are taken to be 10 s long.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from foleycli.config import (
    CAVP,
    FRAMES,
    TRAINING,
    CavpDistillTraining,
    LatentDiffusionConfig,
    PrepareConfig,
    VariantConfig,
)
from foleycli.evaluate.clipset import read_set
from foleycli.latents.diff_foley import DiffFoley
from foleycli.sight.cavp import Cavp
from foleycli.train.prepare import Prepared, prepare
from foleycli.train.variants import make_variants

VGGSOUND = {"train": 183_730, "test": 15_446}  # clips of the list as published (arXiv 2004.14368)
SECONDS = 10.0  # of a clip
VIEWS = 3  # of the test set: full, cu, cm
LATENT = (4, 16, 64)  # of diff-foley's 8.192 s
ROWS, STEPS = 33, 25  # of features in it, and of the published sampler


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table; of a clip of 10 s."""

    name: str
    clips: int
    core_seconds: float = 0.0
    operations: float = 0.0
    kept_mb: float = 0.0
    read_mb: float = 0.0


def cpu_of(work: Callable[[], object]) -> float:
    """CPU seconds of a piece of work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def size_of(folder: Path, pattern: str = "*") -> float:
    """MB of the files of a folder."""
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file()) / 1e6


def measure(clips: Path, count: int) -> tuple[list[Step], float]:
    """The steps that a CPU does, and MB of a clip of 10 s as it comes."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        films = folder / "films"
        films.mkdir()
        for path in [p for p in sorted(clips.iterdir()) if p.suffix in (".mp4", ".mkv")][:count]:
            (films / path.name).symlink_to(path.resolve())
        examples = read_set(films)
        config = PrepareConfig(parts=("frames",), shard=16, duration=SECONDS)
        both = replace(config, parts=("frames", "mels"), model="diff-foley")
        list(prepare(examples[:1], folder / "warm", both))  # what is loaded once is no clip's
        frames = cpu_of(lambda: list(prepare(examples, folder / "frames", config)))
        shards = Prepared(folder / "frames", ("frames",))
        tens = sum(float(row["duration"]) for row in shards.rows) / SECONDS
        mels = cpu_of(lambda: list(prepare(examples, folder / "mels", both)))
        reading = cpu_of(lambda: [shards[n] for n in range(len(shards))])
        varied = cpu_of(lambda: list(make_variants(films, folder / "cm", "cm", VariantConfig())))
        frames_mb, mels_mb = size_of(folder / "frames", "*.tar"), size_of(folder / "mels", "*.tar")
        cm_mb = size_of(folder / "cm", "*.m*")
        clip_mb = size_of(films) / tens
    everything = sum(VGGSOUND.values())
    per = {"frames": frames, "mels": mels - frames, "reading": reading, "varied": varied}
    per = {name: seconds / tens for name, seconds in per.items()}
    epochs = cast(CavpDistillTraining, TRAINING["distill"]["paper"]).epochs
    mels_mb = (mels_mb - frames_mb) / tens
    return [
        Step("prepare: decode, frames", everything, per["frames"], 0, frames_mb / tens, clip_mb),
        Step("prepare: spectrograms", everything, max(0.0, per["mels"]), 0, mels_mb),
        Step(f"distill: {epochs} epochs", epochs * VGGSOUND["train"], per["reading"],
             student_operations(), read_mb=frames_mb / tens),
        Step("variants of the test set, cu and cm", 2 * VGGSOUND["test"], per["varied"],
             kept_mb=cm_mb / tens),
    ], clip_mb  # fmt: skip


def count(work: Callable[[], object]) -> float:
    """Operations (a multiplication and an addition are two) of what is done on the meta device."""
    counter = FlopCounterMode(display=False)
    with counter:
        work()
    return float(counter.get_total_flops())


def student_operations() -> float:
    """Of one example of the paper's student: teacher forward, student forward and backward."""
    config = cast(CavpDistillTraining, TRAINING["distill"]["paper"])
    with torch.device("meta"):
        eyes = Cavp(CAVP)
        shown = torch.zeros(1, config.frames, 3, FRAMES.size, FRAMES.size)
    eyes.requires_grad_(True)

    def update() -> None:
        with torch.no_grad():
            eyes.encode_frames(shown)
        eyes.encode_frames(shown).sum().backward()

    return count(update)


def sounding_operations() -> float:
    """Of one window of diff-foley: as many steps as it takes, each with and without guidance."""
    with torch.device("meta"):
        sizes = LatentDiffusionConfig()
        sounds = DiffFoley(sizes)
        latent, times = torch.zeros(2, *LATENT), torch.zeros(2)
        rows = torch.zeros(2, ROWS, sizes.context_size)
    return STEPS * count(lambda: sounds.predict_noise(latent, times, rows))


def table(steps: list[Step], options: argparse.Namespace) -> str:
    """Markdown."""
    lines = [
        "| step | clips | core seconds a clip | TFLOP a clip | core hours | GPU hours | hours "
        "| disk, TB | MB/s it reads | cost, $ |",
        "|---" * 10 + "|",
    ]
    totals = np.zeros(5)
    for step in steps:
        cores = step.clips * step.core_seconds / 3600
        gpus = step.clips * step.operations / options.gpu_flops / 3600
        hours = max(cores / options.cores, gpus / options.gpus)
        disk = step.clips * step.kept_mb / 1e6
        read = step.clips * step.read_mb / max(hours, 1e-9) / 3600 if step.read_mb else 0.0
        cost = cores * options.core_price + gpus * options.gpu_price
        totals += [cores, gpus, hours, disk, cost]
        lines.append(
            f"| {step.name} | {step.clips:,} | {step.core_seconds:.2f} | "
            f"{step.operations / 1e12:.2f} | {cores:,.0f} | {gpus:,.0f} | {hours:,.1f} | "
            f"{disk:.2f} | {read:,.0f} | {cost:,.0f} |"
        )
    cores, gpus, hours, disk, cost = totals
    lines.append(
        f"| in all | | | | {cores:,.0f} | {gpus:,.0f} | {hours:,.1f} | {disk:.2f} | | {cost:,.0f} |"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("clips", type=Path)
    parser.add_argument("--count", type=int, default=8, help="clips that are measured on")
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--cores", type=int, default=96, help="beside them")
    parser.add_argument("--gpu-flops", type=float, default=150e12, help="a GPU sustains a second")
    parser.add_argument("--gpu-price", type=float, default=2.5, help="dollars an hour of one")
    parser.add_argument("--core-price", type=float, default=0.04, help="dollars an hour of one")
    parser.add_argument("--bandwidth", type=float, default=100.0, help="MB/s of what is fetched")
    options = parser.parse_args()
    torch.set_num_threads(1)
    steps, clip_mb = measure(options.clips, options.count)
    sounded = Step("sound the test set, 3 views", VIEWS * VGGSOUND["test"],
                   operations=sounding_operations())  # fmt: skip
    print(table([*steps, sounded], options))
    everything = sum(VGGSOUND.values())
    fetched = everything * clip_mb
    print(
        f"\nfetched: {fetched / 1e6:.2f} TB ({clip_mb:.2f} MB a clip as those measured), "
        f"{fetched / options.bandwidth / 3600:.1f} hours at {options.bandwidth:g} MB/s"
    )


if __name__ == "__main__":
    main()
