"""Speed and memory of ``diff-foley`` on this machine, part by part, with weights made by rule.

    python benchmarks/diff_foley.py FOLDER                     each part, its share of the GEMM peak
    python benchmarks/diff_foley.py FOLDER      --baseline     beside it plain modules in f32 and
                                                               under bf16 autocast (needs 7 GB)
    python benchmarks/diff_foley.py FOLDER      --steps-table  8, 10 and 15 steps against 25

The bundle is made in the folder given when it is not there (some minutes, 2 GB; 5 GB of memory).
Run it on an idle machine: two threads on busy cores are many times slower.
"""

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from foleycli.config import DIFF_FOLEY_MEL, SAMPLER
from foleycli.features.cavp import Cavp, unit_rows
from foleycli.latents.align import Alignment
from foleycli.latents.diff_foley import DiffFoley
from foleycli.models.bundle import Bundle
from foleycli.models.convert import to_public
from foleycli.models.diff_foley import ROWS, DiffFoleyModel
from foleycli.models.filled import filled
from foleycli.models.public import convert_checkpoints
from foleycli.waveform.vocoder import mel_to_waveform

# Counted by torch.utils.flop_counter, two a multiply-add, for a window of 8 s.
GFLOP = {"features": 334.0, "guided step": 355.7, "decode": 622.2}


def filled_bundle(folder: Path) -> Bundle:
    """Checkpoints of the public layout and size, converted as the published ones are."""
    if (folder / "bundle").is_dir():
        return Bundle.open(folder / "bundle")
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for part, build in (("cavp", Cavp), ("diffusion", DiffFoley), ("guide", Alignment)):
        with torch.device("meta"):
            module = build()
        state = filled(to_public(module))
        if part == "cavp":
            state["logit_scale"] = torch.tensor(1 / 0.07).log()
        files[part] = folder / f"{part}.ckpt"
        torch.save({"state_dict": state}, files[part])
    bundle = convert_checkpoints(files, folder / "bundle", "# Filled weights: noise\n")
    for path in files.values():
        path.unlink()
    return bundle


def best_of(run: Callable[[], object], times: int = 3) -> float:
    """Least seconds of ``times`` runs after one to warm up."""
    run()
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def gemm_peak(dtype: torch.dtype) -> float:
    """GFLOP/s of a 2048 x 2048 x 2048 product."""
    matrix = torch.randn(2048, 2048).to(dtype)
    return 2 * 2048**3 / best_of(lambda: matrix @ matrix, 10) / 1e9


def time_parts(model: DiffFoleyModel) -> dict[str, float]:
    """Seconds of each part for one window of 8 s and one take."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (ROWS, 224, 224, 3), dtype=np.uint8)
    rows = next(model.see(iter(frames)))
    diffusion, latent = model.diffusion, torch.randn(1, 4, 16, 64)
    context = diffusion.embed(torch.from_numpy(rows)[None])
    both = torch.cat([diffusion.nothing(context), context])
    pair, step = torch.cat([latent, latent]), torch.tensor(500.0)
    mel = torch.rand(128, 512)
    return {
        "features": best_of(lambda: list(model.see(iter(frames)))),
        "guided step": best_of(lambda: diffusion.predict_noise(pair, step, both)),
        "decode": best_of(lambda: diffusion.decode(latent)),
        "mel to waveform": best_of(lambda: mel_to_waveform(mel, DIFF_FOLEY_MEL)),
    }


def time_baseline(autocast: bool) -> dict[str, float]:
    """The same parts as plain f32 modules, which is how the reference runs them."""
    cavp, diffusion = Cavp(hears=False), DiffFoley()  # speed does not depend on the weights
    for module in (cavp, diffusion):
        module.eval().requires_grad_(False)
    frames = torch.randint(0, 256, (1, ROWS, 3, 224, 224), dtype=torch.uint8)
    context = torch.randn(2, ROWS, 768)
    pair, latent = torch.randn(2, 4, 16, 64), torch.randn(1, 4, 16, 64)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        return {
            "features": best_of(lambda: unit_rows(cavp.encode_frames(frames)), 1),
            "guided step": best_of(
                lambda: diffusion.predict_noise(pair, torch.tensor(500.0), context), 2
            ),
            "decode": best_of(lambda: diffusion.decode(latent), 1),
        }


def whole(parts: dict[str, float], steps: int = SAMPLER.steps) -> float:
    """Seconds for a window, from its parts."""
    return sum(seconds * (steps if part == "guided step" else 1) for part, seconds in parts.items())


def print_parts(title: str, parts: dict[str, float], peak: float) -> None:
    """One line a part: seconds, GFLOP/s, share of the peak."""
    print(title)
    for part, seconds in parts.items():
        line = f"  {part:16} {seconds:8.3f} s"
        if part in GFLOP:
            rate = GFLOP[part] / seconds
            line += f"  {rate:7.0f} GFLOP/s  {rate / peak:5.0%} of the GEMM peak"
        print(line)
    print(f"  {'8 s, 25 steps':16} {whole(parts):8.1f} s")


def print_steps(model: DiffFoleyModel) -> None:
    """How far fewer steps end from 25, as relative RMS of the latent."""
    rows = unit_rows(torch.randn(ROWS, 512, generator=torch.Generator().manual_seed(0))).numpy()
    full = model.sample(rows, [0], 25)
    print("steps  relative RMS from 25 steps  share of the time")
    for steps in (8, 10, 15):
        error = (model.sample(rows, [0], steps) - full).norm() / full.norm()
        print(f"{steps:5}  {float(error):26.3f}  {steps / 25:17.0%}")


@torch.inference_mode()
def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--baseline", action="store_true")
    parser.add_argument("--steps-table", action="store_true")
    options = parser.parse_args()
    bundle = filled_bundle(options.folder)
    began = time.perf_counter()
    model = DiffFoleyModel(bundle)
    print(f"{torch.get_num_threads()} threads, {model.dtype}; loaded in", end=" ")
    print(f"{time.perf_counter() - began:.1f} s")
    peaks = {dtype: gemm_peak(dtype) for dtype in (torch.float32, torch.bfloat16)}
    print("GEMM peak: " + ", ".join(f"{d} {peak:.0f} GFLOP/s" for d, peak in peaks.items()))
    if options.steps_table:
        print_steps(model)
        return
    ours = time_parts(model)
    print_parts("foleycli", ours, peaks[model.dtype])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  peak memory      {memory:8.2f} GiB")
    if options.baseline:
        del model
        for title, autocast, dtype in (
            ("plain, f32", False, torch.float32),
            ("plain, bf16 autocast", True, torch.bfloat16),
        ):
            plain = time_baseline(autocast)
            print_parts(title, plain, peaks[dtype])
            comparable = {part: ours[part] for part in plain}
            print(f"  ours is {whole(plain) / whole(comparable):.2f} times as fast")


if __name__ == "__main__":
    main()
