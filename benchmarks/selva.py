"""Speed and memory of ``selva`` on this machine, part by part, with weights made by rule.

    python benchmarks/selva.py FOLDER --prepare     make a bundle of the public sizes: 1.9 GB
    python benchmarks/selva.py FOLDER               each part, its share of the GEMM peak, and the
                                                    whole for one source of 8 s and one more

``--steps 2`` tries everything quickly; the sum is always that of 25. Run it on an idle machine: two
threads on busy cores are many times slower.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from foleycli.config import SAMPLER, SPEEDS
from foleycli.models.bundle import Bundle, write_bundle
from foleycli.models.filled import filled
from foleycli.sources.selva import Lengths, SelvaModel, guided_velocity
from foleycli.sources.selva_public import CONFIGS, FAMILY, PARTS, TOKENIZER, is_matrix

# Counted by torch.utils.flop_counter on the reference, two a multiply-add, for 8 s at 16 kHz.
SEGMENTS = 24
GFLOP = {"one segment": 413.0, "guided step": 114.6, "autoencoder": 53.0, "vocoder": 917.0}
WORDS = ("dog barking", "footsteps on gravel")


def prepare(folder: Path) -> Bundle:
    """A bundle as `foley models pull selva` makes it, of numbers by rule."""
    if (folder / "bundle").is_dir():
        return Bundle.open(folder / "bundle")
    folder.mkdir(parents=True, exist_ok=True)
    tensors, sizes = {}, {}
    for part, (_, _, build) in PARTS.items():
        config = CONFIGS[part]()
        sizes[part] = asdict(config)
        with torch.device("meta"):
            module = build(config)
        for name, tensor in filled(module.state_dict()).items():
            kept = torch.bfloat16 if is_matrix(name, tensor) else torch.float32
            tensors[f"{part}.{name}"] = tensor.to(kept).contiguous()
        if part == "vae":
            built = build(config)
            tensors |= {"vae.data_mean": built.data_mean, "vae.data_std": built.data_std}
    tokenizer = folder / TOKENIZER
    write_tokenizer(tokenizer)
    config = {"family": FAMILY, "dtype": "bf16", "parts": sizes, "licence": "filled: it is noise"}
    card = "# Filled weights: noise\n"
    return write_bundle(folder / "bundle", config, tensors, card, [tokenizer])


def write_tokenizer(path: Path) -> None:
    """One token a word; FLAN-T5's own has to be fetched."""
    words = {"<pad>": 0, "</s>": 1, "<unk>": 2}
    model = {"type": "WordLevel", "vocab": words, "unk_token": "<unk>"}
    path.write_text(
        json.dumps({"version": "1.0", "model": model, "pre_tokenizer": {"type": "Whitespace"},
                    "added_tokens": [], "normalizer": None, "post_processor": None,
                    "decoder": None, "truncation": None, "padding": None})
    )  # fmt: skip


def best_of(run: Callable[[], object], times: int) -> float:
    """Least seconds of some runs after one to warm up."""
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


def measure(model: SelvaModel, times: int) -> dict[str, float]:
    """Seconds of every part."""
    random = np.random.default_rng(0)
    shape = (1, 16, 3, 224, 224)
    segment = torch.from_numpy(random.integers(0, 256, shape, dtype=np.uint8))
    parts = {"words (both towers)": 0.0}
    began = time.perf_counter()
    model.read(WORDS)
    parts["words (both towers)"] = time.perf_counter() - began
    parts["one segment"] = best_of(lambda: model.see(segment, WORDS[:1]), times)
    both = best_of(lambda: model.see(segment, WORDS), times)
    parts["one word more"] = max(0.0, both - parts["one segment"])
    lengths = Lengths.of(Fraction(8), model.mel)
    net = model.generator
    rows = model.see(segment, WORDS[:1])[WORDS[0]].flatten(0, 1).repeat(SEGMENTS, 1)
    with torch.inference_mode(), model._fewer_bits():
        words = model._unit_words[WORDS[0]][None]
        led = net.prepare(rows[None], words, lengths.latent, lengths.pictures)
        empty = net.prepare(
            net.empty_sync(1, len(rows)), net.empty_text(1), lengths.latent, lengths.pictures
        )
        velocity = guided_velocity(net, led, empty, SAMPLER.guidance)
        noise, half = torch.randn(1, lengths.latent, net.config.channels), torch.tensor([0.5])
        parts["guided step"] = best_of(lambda: velocity(noise, half), times)
        latent = net.to_mel_latent(noise)
        parts["autoencoder"] = best_of(lambda: model.vae.decode(latent), times)
        mel = model.vae.decode(latent)
        parts["vocoder"] = best_of(lambda: model.vocoder(mel), times)
    return parts


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--times", type=int, default=3, help="runs of each part; the least counts")
    options = parser.parse_args()
    if options.prepare:
        print(prepare(options.folder).folder)
        return
    if not (options.folder / "bundle").is_dir():
        parser.error(f"{options.folder} has no bundle; make it first, with --prepare")
    model = SelvaModel(Bundle.open(options.folder / "bundle"))
    peak = gemm_peak(model.dtype)
    kind = str(model.dtype).removeprefix("torch.")
    print(f"{torch.get_num_threads()} threads, GEMM peak {peak:.0f} GFLOP/s in {kind}")
    parts = measure(model, options.times)
    for part, seconds in parts.items():
        line = f"  {part:20} {seconds:8.3f} s"
        if part in GFLOP:
            rate = GFLOP[part] / seconds
            line += f"  {rate:7.0f} GFLOP/s  {rate / peak:5.0%} of the GEMM peak"
        print(line)
    after = parts["autoencoder"] + parts["vocoder"]
    sampling = SPEEDS["reference"].steps * parts["guided step"] + after
    first = SEGMENTS * parts["one segment"] + sampling
    more = SEGMENTS * parts["one word more"] + sampling
    floor = (
        SEGMENTS * GFLOP["one segment"]
        + SPEEDS["reference"].steps * GFLOP["guided step"]
        + GFLOP["autoencoder"]
        + GFLOP["vocoder"]
    )
    times = first * peak / floor
    print(f"8 s, one source   {first:6.1f} s, {times:.2f} x the floor of {floor:.0f} GFLOP")
    print(f"one source more   {more:6.1f} s, {more / first:.0%} of the first")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory       {memory:6.2f} GiB")


if __name__ == "__main__":
    main()
