"""Speed and memory of ``diff-foley`` on this machine, part by part, with weights made by rule.

    python benchmarks/diff_foley.py FOLDER --prepare      make the bundle: 2 GB, some minutes
    python benchmarks/diff_foley.py FOLDER                each part, its share of the GEMM peak
    python benchmarks/diff_foley.py FOLDER --baseline     beside it the reference's way in f32 and
                                                          under bf16 autocast, and `foley gen`
                                                          (4 minutes on two cores, 7 GB)
    python benchmarks/diff_foley.py FOLDER --steps-table  8, 10 and 15 steps against 25

Each way runs in a process of its own, so that its peak of memory is its own. ``--steps 2`` tries
everything quickly. Run it on an idle machine: two threads on busy cores are many times slower.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor

from foleycli.config import DIFF_FOLEY_MEL, SPEEDS
from foleycli.latents.align import Alignment
from foleycli.latents.diff_foley import DiffFoley
from foleycli.models.bundle import Bundle
from foleycli.models.filled import filled
from foleycli.mux.ffmpeg import find_ffmpeg
from foleycli.sight.cavp import Cavp
from foleycli.sources.convert import to_public
from foleycli.sources.diff_foley import ROWS, DiffFoleyModel, draw_noise
from foleycli.sources.public import convert_checkpoints
from foleycli.waveform.vocoder import mel_to_waveform

# Counted by torch.utils.flop_counter, two a multiply-add, for a window of 8 s.
GFLOP = {"features": 334.0, "guided step": 355.7, "decode": 622.2}
WAYS = {
    "foleycli": torch.bfloat16,
    "reference f32": torch.float32,
    "reference bf16 autocast": torch.bfloat16,
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one way takes: the least seconds of some runs, but for the sample, which runs once."""

    parts: dict[str, float]  # seconds
    sample: float  # seconds for all steps of one window
    load: float  # seconds
    memory: float  # GiB at most
    gemm: dict[str, float]  # GFLOP/s of a large product of matrices, by type


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


def open_way(way: str, bundle: Bundle) -> DiffFoleyModel:
    """The model that is measured, its parts read."""
    if way == "foleycli":
        model = DiffFoleyModel(bundle)
        _ = model.cavp, model.diffusion
        return model
    model = DiffFoleyModel(bundle, dtype=torch.float32, packed=False)
    for module in (model.cavp, model.diffusion):  # autocast keeps its copies of such weights alone
        module.requires_grad_(True)
    # as the reference computes: attention step by step, channels first
    model.diffusion.denoiser.set_attn_processor(AttnProcessor())
    model.diffusion.denoiser.register_forward_pre_hook(channels_first)
    model.diffusion.autoencoder.post_quant_conv.register_forward_pre_hook(channels_first)
    return model


def channels_first(module: torch.nn.Module, inputs: tuple) -> tuple:
    """What a module is given, laid out as the reference lays it out."""
    return (inputs[0].contiguous(memory_format=torch.contiguous_format), *inputs[1:])


@torch.no_grad()
def measure(model: DiffFoleyModel, steps: int) -> tuple[dict[str, float], float, torch.Tensor]:
    """Seconds of each part for one window of 8 s and one take, of the sample, and its latent."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (ROWS, 224, 224, 3), dtype=np.uint8)
    parts = {"features": best_of(lambda: list(model.see(iter(frames))), 2)}
    rows = next(model.see(iter(frames)))
    diffusion, noise = model.diffusion, draw_noise(0)[None]
    context = diffusion.embed(torch.from_numpy(rows)[None])
    both = torch.cat([diffusion.nothing(context), context])
    pair, step = torch.cat([noise, noise]), torch.tensor(500.0)
    parts["guided step"] = best_of(lambda: diffusion.predict_noise(pair, step, both), 2)
    began = time.perf_counter()
    latent = model.sample(rows, [0], steps)
    sample = time.perf_counter() - began
    parts["decode"] = best_of(lambda: diffusion.decode(latent), 2)
    mel = diffusion.decode(latent)[0].clamp(0, 1)
    parts["mel to waveform"] = best_of(lambda: mel_to_waveform(mel, DIFF_FOLEY_MEL), 2)
    return parts, sample, latent


def run_way(way: str, folder: Path, steps: int, out: Path) -> None:
    """Measure one way in this process; figures and latent are left in ``out``."""
    gemm = {name: gemm_peak(t) for name, t in (("f32", torch.float32), ("bf16", torch.bfloat16))}
    began = time.perf_counter()
    model = open_way(way, Bundle.open(folder / "bundle"))
    load = time.perf_counter() - began
    autocast = way == "reference bf16 autocast"
    with torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext():
        parts, sample, latent = measure(model, steps)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    figures = Figures(parts, sample, load, memory, gemm)
    (out / f"{way}.json").write_text(json.dumps(asdict(figures)))
    torch.save(latent.float(), out / f"{way}.pt")


def run_apart(way: str, folder: Path, steps: int, out: Path) -> Figures:
    """The same in a process of its own."""
    options = ["--way", way, "--steps", str(steps), "--out", str(out)]
    subprocess.run([sys.executable, __file__, str(folder), *options], check=True)
    return Figures(**json.loads((out / f"{way}.json").read_text()))


def print_way(way: str, found: Figures, steps: int) -> None:
    """One line a part: seconds, GFLOP/s, share of the peak of the type it computes in."""
    peak = found.gemm["f32" if WAYS[way] == torch.float32 else "bf16"]
    print(f"{way}: GEMM peak f32 {found.gemm['f32']:.0f}, bf16 {found.gemm['bf16']:.0f} GFLOP/s")
    for part, seconds in found.parts.items():
        line = f"  {part:16} {seconds:8.3f} s"
        if part in GFLOP:
            rate = GFLOP[part] / seconds
            line += f"  {rate:7.0f} GFLOP/s  {rate / peak:5.0%} of the GEMM peak"
        print(line)
    floor = steps * GFLOP["guided step"] / peak
    print(f"  {f'{steps} steps':16} {found.sample:8.1f} s  {found.sample / floor:.2f} x the floor")
    print(f"  {'8 s of sound':16} {whole(found):8.1f} s, loading {found.load:.1f} s")
    print(f"  {'peak memory':16} {found.memory:8.2f} GiB", flush=True)


def whole(found: Figures) -> float:
    """Seconds for a window of one take, without loading and the file's own work."""
    return found.sample + sum(s for part, s in found.parts.items() if part != "guided step")


def time_command(folder: Path, out: Path) -> tuple[float, float]:
    """Seconds and GiB of `foley gen` on 8 s of 1080p at one step: all there is but sampling."""
    clip = out / "clip.mp4"
    source = ["-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=25:d=8"]
    coded = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    subprocess.run([find_ffmpeg(), "-v", "error", "-y", *source, *coded, str(clip)], check=True)
    words = ["gen", str(clip), "--model", str(folder / "bundle"), "--steps", "1", "-q"]
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "foleycli.cli.main", *words])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"foley gen failed: {status}")
    return time.perf_counter() - began, usage.ru_maxrss / 2**20


def compare(folder: Path, steps: int, out: Path) -> None:
    """The table: ours, the reference's way in both precisions, and the command."""
    found: dict[str, Figures] = {}
    for way in WAYS:
        found[way] = run_apart(way, folder, steps, out)
        print_way(way, found[way], steps)
    exact = torch.load(out / "reference f32.pt")
    for way in WAYS:
        error = float((torch.load(out / f"{way}.pt") - exact).norm() / exact.norm())
        times = whole(found[way]) / whole(found["foleycli"])
        print(f"{way:20} {times:5.2f} x foleycli's time, latent {error:.2%} from f32")
    seconds, memory = time_command(folder, out)
    print(f"foley gen, 8 s of 1080p, one step: {seconds:.1f} s, {memory:.2f} GiB")


def print_steps(model: DiffFoleyModel) -> None:
    """How far fewer steps end from 25, as relative RMS of the latent."""
    rows = torch.nn.functional.normalize(
        torch.randn(ROWS, 512, generator=torch.Generator().manual_seed(0)), dim=1
    ).numpy()
    full = model.sample(rows, [0], 25)
    print("steps  relative RMS from 25 steps  share of the time")
    for steps in (8, 10, 15):
        error = (model.sample(rows, [0], steps) - full).norm() / full.norm()
        print(f"{steps:5}  {float(error):26.3f}  {steps / 25:17.0%}")


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--baseline", action="store_true")
    parser.add_argument("--steps-table", action="store_true")
    parser.add_argument("--steps", type=int, default=SPEEDS["reference"].steps)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        run_way(options.way, options.folder, options.steps, options.out)
        return
    if options.prepare:
        print(filled_bundle(options.folder).folder)
        return
    if not (options.folder / "bundle").is_dir():  # not made here: that would count as memory
        parser.error(f"{options.folder} has no bundle; make it first, with --prepare")
    print(f"{torch.get_num_threads()} threads, {options.steps} steps")
    with tempfile.TemporaryDirectory() as out:
        if options.steps_table:
            print_steps(DiffFoleyModel(Bundle.open(options.folder / "bundle")))
        elif options.baseline:
            compare(options.folder, options.steps, Path(out))
        else:
            found = run_apart("foleycli", options.folder, options.steps, Path(out))
            print_way("foleycli", found, options.steps)


if __name__ == "__main__":
    main()
