"""TempoTokens' fixtures: see the page beside them; every file that is there is compared."""

import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal
import torch
from golden import Check, Checks, exact, golden_folder, rnd
from torch import Tensor, nn

from foleycli.evaluate.av_align import (
    LEAST_MOTION,
    av_align,
    count_hits,
    find_peaks_of_sound,
    motion_peaks,
)
from foleycli.listeners.beats import (
    Beats,
    BeatsConfig,
    beats_fbank,
    relative_buckets,
    share_positions,
)
from foleycli.listeners.fbank import WINDOW, filters
from foleycli.models.filled import filled
from foleycli.visualize.tempotokens.prompts import frame_prompts, text_prompt
from foleycli.visualize.tempotokens.sample import make_scheduler, predict, sample
from foleycli.visualize.tempotokens.tokens import AttentivePool, Mapper, MapperConfig, Tokens

FBANK, TINY, FULL, MAPPER, POOL = 2e-4, 2e-5, 2e-4, 1e-5, 1e-6
TEXT, UNET, SAMPLER = 1e-5, 1e-5, 1e-3
TINY_BEATS = BeatsConfig(
    encoder_layers=3,
    encoder_embed_dim=48,
    encoder_ffn_embed_dim=96,
    encoder_attention_heads=4,
    embed_dim=32,
    conv_pos=16,
    conv_pos_groups=4,
    num_buckets=32,
    max_distance=60,
    predictor_class=11,
)
TINY_MAPPER = MapperConfig(144, 40, 32)
LOCALS = ("local1", "local2", "local3", "local4")


def check_fixtures(folder: Path, only: str = "") -> Checks:
    """Every comparison whose file is there and whose name holds ``only``; errors are the largest
    difference, of the sampler as a share of the latents' standard deviation."""
    folder = golden_folder(folder)
    checks = {
        "fbank": _fbank,
        "rel_buckets": _buckets,
        "beats_tiny": _beats_tiny,
        "beats_full": _beats_full,
        "mapper_tiny": _mapper_tiny,
        "mapper_full": _mapper_full,
        "attentive_pool": _pool,
        "tokens_tiny": _tokens,
        "clip_tokens_tiny": _text,
        "unet3d_perframe_tiny": _unet,
        "sampler_tiny": _sampler,
    }
    for path in sorted(folder.glob("*.npz")):
        stem = path.stem
        kind = next((name for name in checks if stem.startswith(name)), None)
        if kind and only in stem:
            with np.load(path) as held:
                yield from checks[kind](stem, dict(held))
    for path in sorted((folder.parent / "keys").glob("*.json")):
        if only in f"keys {path.stem}":
            yield from _keys(path)
    if (folder / "av_align.json").exists() and only in "av_align":
        yield from _av_align(folder / "av_align.json")


def largest(name: str, ours: Any, theirs: Any, tolerance: float, scale: float = 1.0) -> Check:
    """The largest difference; infinite where shapes differ."""
    one = np.asarray(ours.detach() if isinstance(ours, Tensor) else ours, np.float64)
    other = np.asarray(theirs, np.float64)
    if one.shape != other.shape:
        return Check(f"{name}: shape {one.shape}, not {other.shape}", np.inf, tolerance)
    return Check(name, float(np.abs(one - other).max(initial=0)) / scale, tolerance)


def stem_sound(name: str, samples: int, pole: float, rate: float, level: float) -> np.ndarray:
    """A sounding test signal by the checksum of its name, at 16 kHz."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    noise, phase = random.standard_normal(samples), random.rand() * 2 * np.pi
    y = scipy.signal.lfilter([1 - pole], [1, -pole], noise)
    y /= np.sqrt(np.mean(y**2))
    swell = 0.5 * (1 - np.cos(2 * np.pi * rate * np.arange(samples) / 16_000 + phase))
    return (level * y * swell).astype(np.float32)


def wave(name: str, seconds: float) -> Tensor:
    """The sum of two such signals."""
    samples = round(16_000 * seconds)
    a = stem_sound(f"{name}_a", samples, 0.9, 5.0, 0.1)
    b = stem_sound(f"{name}_b", samples, 0.2, 1.3, 0.03)
    return torch.from_numpy(a + b)


def seconds_of(name: str) -> float:
    """Of a wave, by its name: fb2s lasts 2 s."""
    found = re.search(r"(\d+(?:[._p]\d+)?)s$", name)
    return float(found[1].replace("_", ".").replace("p", ".")) if found else 2.0


def fill(module: nn.Module) -> Any:
    """Weights by the names of the tensors; the shared table of positions under layer 0's name."""
    weights = filled(module.state_dict())
    if "encoder.layers.0.self_attn.relative_attention_bias.weight" in weights:
        weights = share_positions(weights)
    module.load_state_dict(weights, strict=False)
    return module.eval().requires_grad_(False)


def mels(name: str) -> Tensor:
    return beats_fbank(wave(name, seconds_of(name)))[None]


def _fbank(file: str, held: dict[str, np.ndarray]) -> Checks:
    for name, value in held.items():
        if re.fullmatch(r"\w*\d+\w*s", name) and value.shape[-1] == 128 and value.ndim == 2:
            yield largest(f"{file} {name}", mels(name)[0], value, FBANK)
    if "silence_row" in held:
        yield largest(
            f"{file} silence", beats_fbank(torch.zeros(400))[0], held["silence_row"], FBANK
        )
    bank = filters(128)[:, :256]
    if "mel_row_sums" in held:
        yield largest(f"{file} sums", bank.sum(1), held["mel_row_sums"], FBANK)
    if "mel_rows_0_60_127" in held:
        yield largest(f"{file} rows", bank[[0, 60, 127]], held["mel_rows_0_60_127"], FBANK)
    if "window_povey" in held:
        window = torch.hann_window(WINDOW, periodic=False).pow(0.85)
        yield largest(f"{file} window", window, held["window_povey"], FBANK)


def _buckets(file: str, held: dict[str, np.ndarray]) -> Checks:
    for name, value in held.items():
        found = re.fullmatch(r"\w+?_(\d+)_(\d+)", name)
        if found:
            rel = held["rel_full" if name.startswith("full") else "rel"]
            ours = relative_buckets(torch.from_numpy(rel), int(found[1]), int(found[2]))
            yield exact(f"{file} {name}", ours.tolist(), value.tolist())


def _beats_tiny(file: str, held: dict[str, np.ndarray]) -> Checks:
    beats = fill(Beats(TINY_BEATS))
    for name in sorted({key.rpartition("_")[0].removesuffix("_enc") for key in held}):
        mel = mels(name)
        made = {
            "proj": lambda mel=mel: beats.patches(mel)[0],
            "enc_in": lambda mel=mel: beats.encoder.begin(beats.patches(mel))[0],
            "cat": lambda mel=mel: beats(mel)[0],
            "probs": lambda mel=mel: beats.probabilities(mel)[0],
        }
        for part, make in made.items():
            if f"{name}_{part}" in held:
                yield largest(f"{file} {name} {part}", make(), held[f"{name}_{part}"], TINY)


def _beats_full(file: str, held: dict[str, np.ndarray]) -> Checks:
    name = "bf2s" if file == "beats_full" else f"bf{file.rpartition('_')[2]}"
    beats = fill(Beats())
    rows = beats(mels(name))[0]
    layers = rows.split(768, dim=1)
    yield largest(f"{file} stride", rows[::4, ::24], held["cat_stride"], FULL)
    yield largest(f"{file} last", layers[-1][::4], held["last"], FULL)
    facts = [[float(x.mean()), float(x.std()), float(x.abs().max())] for x in layers]
    yield largest(f"{file} layers", np.array(facts), held["layer_meta"], 20 * FULL)


def _token_parts(tokens: Tokens, row: slice | int = slice(None)) -> dict[str, Tensor]:
    parts = {"temp": tokens.temp, **dict(zip(LOCALS, tokens.locals, strict=True))}
    return {name: part[row] for name, part in (parts | {"class": tokens.whole}).items()}


def _mapper_tiny(file: str, held: dict[str, np.ndarray]) -> Checks:
    mapper = fill(Mapper(TINY_MAPPER))
    for name in sorted({key.partition("_")[0] for key in held}):
        patches = int(re.sub(r"\D", "", name))
        tokens = mapper(rnd(name, (2, patches, 144)))
        unary, pairs = mapper.fga.potentials(tokens.temp)
        made = _token_parts(tokens) | {"unary": unary, "self": pairs}
        for part, value in made.items():
            if f"{name}_{part}" in held:
                yield largest(f"{file} {name} {part}", value, held[f"{name}_{part}"], MAPPER)


def _mapper_full(file: str, held: dict[str, np.ndarray]) -> Checks:
    tokens = fill(Mapper())(rnd("mapfull", (1, 96, 9216)))
    for part, value in _token_parts(tokens, 0).items():
        ours = value if part == "class" else value[:, ::8]
        yield largest(f"{file} {part}", ours, held[part], MAPPER)


def _pool(file: str, held: dict[str, np.ndarray]) -> Checks:
    pool = fill(AttentivePool(32))
    tokens = 3 * rnd("pool_in", (2, 24, 32))
    unary, pairs = pool.potentials(tokens)
    made = {"unary": unary, "self": pairs, "weights": pool.weights(tokens), "out": pool(tokens)}
    for part, value in made.items():
        if part in held:
            yield largest(
                f"{file} {part}", value, held[part], POOL if part == "weights" else MAPPER
            )


def _tokens(file: str, held: dict[str, np.ndarray]) -> Checks:
    rows = fill(Beats(TINY_BEATS))(mels("whole2s"))
    tokens = fill(Mapper(TINY_MAPPER))(rows)
    for part, value in _token_parts(tokens, 0).items():
        yield largest(f"{file} {part}", value, held[part], MAPPER)


def tiny_text() -> Any:
    """The tiny text encoder of the page."""
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=49_414,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        hidden_act="gelu",
        max_position_embeddings=77,
        projection_dim=32,
    )
    encoder = CLIPTextModel(config)
    weights = encoder.state_dict()
    root = "" if any(name.startswith("text_model.") for name in weights) else "text_model."
    made = filled({root + name: value for name, value in weights.items()})
    kept = {
        name.removeprefix(root): value for name, value in made.items() if "position_ids" not in name
    }
    encoder.load_state_dict(kept, strict=False)
    return encoder.eval().requires_grad_(False)


def _text(file: str, held: dict[str, np.ndarray]) -> Checks:
    encoder = tiny_text()
    tokens = fill(Mapper(TINY_MAPPER))(rnd("map96", (1, 96, 144)))
    for part, value in _token_parts(tokens, 0).items():
        yield largest(f"{file} {part}", value, held[part], MAPPER)
    shown = {"hidden": ("ids", [0, 1, 12, 23]), "hidden_text": ("ids_text", [0, 23])}
    for name, (ids, frames) in shown.items():
        hidden = frame_prompts(encoder, torch.from_numpy(held[ids]), tokens)
        yield largest(f"{file} {name}", hidden[frames], held[name], TEXT)
    plain = text_prompt(encoder, torch.from_numpy(held["uncond_ids"]))[0]
    yield largest(f"{file} uncond", plain, held["uncond"], TEXT)


def tiny_unet() -> Any:
    """The tiny U-Net of the page."""
    from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel

    return fill(
        UNet3DConditionModel(
            sample_size=8,
            block_out_channels=(32, 64),
            down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
            up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
            layers_per_block=1,
            norm_num_groups=32,
            cross_attention_dim=32,
            attention_head_dim=8,
        )
    )


def tiny_prompts(ids: Tensor, uncond_ids: Tensor) -> tuple[Tensor, Tensor]:
    """(24, 77, 32) of the page's ids, and (1, 77, 32) without words."""
    encoder = tiny_text()
    tokens = fill(Mapper(TINY_MAPPER))(rnd("map96", (1, 96, 144)))
    return frame_prompts(encoder, ids, tokens), text_prompt(encoder, uncond_ids)


def plain_ids() -> tuple[Tensor, Tensor]:
    """Start, six tokens, end, then the end's id again; and start, end."""
    ids = torch.full((1, 77), 49_407)
    ids[0, 0] = 49_406
    uncond = ids.clone()
    ids[0, 1:7] = torch.arange(49_408, 49_414)
    return ids, uncond


def _unet(file: str, held: dict[str, np.ndarray]) -> Checks:
    unet = tiny_unet()
    if "eps24" in held:
        prompts, nothing = _page_prompts()
        both = torch.cat([nothing.expand(24, -1, -1), prompts])
        x = rnd("unet_x", (1, 4, 24, 8, 8)).repeat(2, 1, 1, 1, 1)
        yield largest(f"{file} 24", predict(unet, x, 500, both)[:, :, ::4], held["eps24"], UNET)
    if "eps6" in held:
        x = rnd("unet_x6", (1, 4, 6, 8, 8)).repeat(2, 1, 1, 1, 1)
        ours = predict(unet, x, 321, rnd("unet_e6", (12, 77, 32)))
        yield largest(f"{file} 6", ours, held["eps6"], UNET)


def _page_prompts() -> tuple[Tensor, Tensor]:
    return tiny_prompts(*plain_ids())


def _sampler(file: str, held: dict[str, np.ndarray]) -> Checks:
    unet = tiny_unet()
    prompts, nothing = _page_prompts()
    scheduler = make_scheduler()
    for name in sorted(held):
        found = re.fullmatch(r"latent_g(\d+)", name)
        if not found:
            continue
        made = sample(
            unet,
            rnd("lat0", (1, 4, 24, 8, 8)),
            prompts[None],
            nothing,
            scheduler,
            25,
            int(found[1]),
        )[0]
        spread = float(held[f"meta_g{found[1]}"][1])
        yield largest(f"{file} {name}", made[:, ::3], held[name], SAMPLER, spread)
        facts = [float(made.mean()), float(made.std()), float(made.abs().max())]
        theirs = held[f"meta_g{found[1]}"]
        yield largest(f"{file} meta {found[1]}", facts, theirs, SAMPLER * 5, spread)
    if "timesteps" in held:
        times = scheduler.timesteps.tolist()
        yield exact(f"{file} timesteps", times, held["timesteps"].tolist())
        yield largest(f"{file} sigmas", scheduler.sigmas, held["sigmas"], 1e-5)


def _keys(path: Path) -> Checks:
    """Names and shapes of a network's tensors."""
    held = json.loads(path.read_text())
    makers = {
        "beats_iter3": Beats,
        "beats_tiny": lambda: Beats(TINY_BEATS),
        "mapper_full": Mapper,
        "mapper_tiny": lambda: Mapper(TINY_MAPPER),
        "unet3d_tiny": tiny_unet,
        "clip_text_tiny": tiny_text,
    }
    make = next((make for name, make in makers.items() if path.stem.startswith(name)), None)
    if make is None:
        return
    ours = {name: list(value.shape) for name, value in make().state_dict().items()}
    if path.stem.startswith("clip_text") and not any(n.startswith("text_model.") for n in ours):
        ours = {f"text_model.{name}": shape for name, shape in ours.items()}
    theirs = {name: list(shape) for name, (shape, _) in held.items() if "position_ids" not in name}
    yield exact(
        f"keys {path.stem}", {k: v for k, v in ours.items() if "position_ids" not in k}, theirs
    )


def _av_align(path: Path) -> Checks:
    """The score's matching, and clips from their sound and a stored curve of motion."""
    held = json.loads(path.read_text())
    for number, case in enumerate(held["matching"]):
        onsets, peaks = np.array(case["audio"]), np.array(case["video"])
        hits = count_hits(onsets, peaks, 1 / case["fps"], again=False)
        score = hits / max(1, len(onsets) + len(peaks) - hits)
        yield largest(f"av_align matching {number}", score, case["score"], 1e-12)
    for clip in held["clips"]:
        name = f"av_align {clip['name']}"
        onsets = find_peaks_of_sound(_clicks(clip["name"], clip["click_times"]))
        curve = np.array(clip["curve"])
        peaks = motion_peaks(curve, LEAST_MOTION) / clip["fps"]
        yield largest(f"{name} onsets", onsets, clip["onsets"], 1e-9)
        yield largest(f"{name} peaks", peaks, clip["video_peaks"], 1e-9)
        yield largest(f"{name} score", av_align(onsets, curve, clip["fps"]), clip["score"], 1e-12)


def _clicks(name: str, times: list[float]) -> np.ndarray:
    """4 s of clicks over a faint noise at 22,050 Hz, as the page draws them."""
    random = np.random.RandomState(zlib.crc32(f"{name}_a".encode()))
    samples = 4 * 22_050
    y = 0.002 * random.standard_normal(samples)
    for time in times:
        first = int(22_050 * time)
        burst = 0.5 * random.standard_normal(2000) * np.exp(-np.arange(2000) / 300)
        part = y[first : first + 2000]
        part += burst[: len(part)]
    return y.astype(np.float32)
