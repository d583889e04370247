"""SelVA's fixtures: see the page beside them; every file that is there is compared."""

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from golden import Checks, blocks, compare, exact, fill, golden_folder, rnd
from torch import Tensor

from foleycli.config import (
    BIGVGAN,
    CLIP_TEXT,
    FLOW_MEL,
    FLOW_MEL_44K,
    FLOW_TRANSFORMER,
    MEL_VAE,
    SELVA_ENCODER,
    T5,
    BigvganConfig,
    ClipTextConfig,
    FlowTransformerConfig,
    MelVaeConfig,
    SelvaEncoderConfig,
    SynchformerConfig,
    T5Config,
)
from foleycli.frames.resize import squash
from foleycli.frames.ticks import take_float_ticks
from foleycli.latents.flow import sample_flow
from foleycli.latents.flow_transformer import Conditions, FlowTransformer
from foleycli.latents.gated import turns
from foleycli.latents.mel_vae import MelVae, fold, statistics, through_middle
from foleycli.models.filled import fill_tensor
from foleycli.sight.motionformer import SEGMENT, STEP
from foleycli.sight.selva import SelvaEncoder, segments_of
from foleycli.sources.selva import Lengths, guided_velocity
from foleycli.spot.clip_text import ClipText, clip_tokens
from foleycli.spot.t5 import T5Encoder
from foleycli.train.pairs import side_by_side
from foleycli.waveform.bigvgan import BigVgan, lowpass, unfold_norm
from foleycli.waveform.flow_mel import flow_mel
from foleycli.waveform.mel import mel_filters

TINY_SEEN = SynchformerConfig(size=48, heads=3, blocks=2)
TINY_ENCODER = SelvaEncoderConfig(seen=TINY_SEEN, text_size=32)
TINY_FLOW = FlowTransformerConfig(
    channels=8, size=64, heads=2, joint_blocks=2, fused_blocks=3,
    sync_size=12, picture_size=24, text_size=20,
)  # fmt: skip
MEDIUM_44K = replace(FLOW_TRANSFORMER, channels=40, size=896, heads=14)
V2_44K = {"n_mels": 128, "rates": (8, 4, 2, 2, 2, 2), "kernels": (16, 8, 4, 4, 4, 4)}
Golden = dict[str, np.ndarray]


def check_fixtures(folder: Path, only: str = "") -> Checks:
    """Compare with every fixture in a folder whose name holds a word."""
    for name, check in CHECKS.items():
        path = golden_folder(folder) / name
        if only in name and path.is_file():
            golden = (
                json.loads(path.read_text())
                if path.suffix == ".json"
                else dict(np.load(path, allow_pickle=False))
            )
            for found in check(golden):
                yield replace(found, fixture=f"{name} {found.fixture}")


def l2(rows: Tensor) -> Tensor:
    return F.normalize(rows, dim=-1)


# Seeing


def encoder(config: SelvaEncoderConfig) -> SelvaEncoder:
    net = fill(SelvaEncoder(config))
    assert isinstance(net, SelvaEncoder)
    return net


def see(net: SelvaEncoder, frames: Tensor, words: Tensor | None, mask=None, extra=True) -> Tensor:
    """Rows (batch, 8 n, size) of films (batch, frames, 3, h, w); None: without words."""
    rows = []
    for i, film in enumerate(frames):
        seen = net.look(segments_of(film, SEGMENT, STEP))
        if words is None:
            rows.append(net.vfeat_extractor.sum_up(seen).flatten(0, 1))
            continue
        asked = net.read(words[i : i + 1], None if mask is None else mask[i : i + 1], extra)
        rows.append(net(seen, *asked).flatten(0, 1))
    return torch.stack(rows)


def encoder_checks(
    golden: Golden, config: SelvaEncoderConfig, tag: str, tokens: int, tolerance: float
) -> Checks:
    net = encoder(config)
    frames = blocks(f"sync_frames_{tag}", 1, 40)
    words = rnd(f"t5_{tag}", (1, tokens, config.text_size))
    probe = golden["probe"]
    first = net.look(segments_of(frames[0], SEGMENT, STEP)[:1])
    asked, mask = net.read(words)
    ours: dict[str, Callable[[], Tensor]] = {
        "sync_sup5": lambda: see(net, frames, words),
        "sync_nosup": lambda: see(net, frames, words, extra=False),
        "teacher": lambda: see(net, frames, None),
        "text_proj": lambda: asked,
        "tokens_seg0": lambda: first[:, probe],
        "after_cross_seg0": lambda: net.select(first, asked, mask)[:, probe],
    }
    for name, make in ours.items():
        if name in golden:
            yield compare(name, make(), golden[name], tolerance)
    if "sync_masked" in golden:
        frames, words = blocks("sync_frames_tiny2", 2, 24), rnd("t5_tiny2", (2, 7, 32))
        mask = torch.arange(7)[None] < torch.tensor([[7], [3]])
        yield compare("sync_masked", see(net, frames, words, mask), golden["sync_masked"], 1e-5)


# Sounding


def flow(config: FlowTransformerConfig) -> FlowTransformer:
    net = fill(FlowTransformer(config))
    assert isinstance(net, FlowTransformer)
    return net


def conditions(
    net: FlowTransformer, tag: str, lengths: "Lengths", empty: bool = False, text: str = "text"
) -> Conditions:
    """Of a tag: led by pictures and words; or empty, with no words or with others."""
    config = net.config
    motion = rnd(f"{tag}_sync", (1, lengths.sync, config.sync_size))
    words = l2(rnd(f"{tag}_{text}", (1, config.words, config.text_size)))
    if empty:
        motion = net.empty_sync(1, lengths.sync)
        words = net.empty_text(1) if text == "text" else words
    return net.prepare(motion, words, lengths.latent, lengths.pictures)


def flow_tiny(golden: Golden) -> Checks:
    net = flow(TINY_FLOW)
    for name, theirs in golden.items():
        if found := re.fullmatch(r"v_(cond|empty)_([\d.]+)s", name):
            seconds = float(found[2])
            lengths = Lengths.of(Fraction(found[2]), FLOW_MEL)
            tag = f"gen{found[2]}"
            led = conditions(net, tag, lengths, found[1] == "empty")
            latent = rnd(f"{tag}_x", (1, lengths.latent, TINY_FLOW.channels))
            assert seconds > 0
            yield compare(name, net(latent, torch.tensor([0.28]), led), theirs, 1e-5)
    four = Lengths.of(Fraction(4), FLOW_MEL)
    led, empty = conditions(net, "gen4", four), conditions(net, "gen4", four, True)
    whole = {
        "pre4_clip_f": led.picture, "pre4_sync_f": led.sync, "pre4_text_f": led.words,
        "pre4_clip_f_c": net.clip_cond_proj(led.picture.mean(1)),
        "pre4_text_f_c": net.text_cond_proj(led.words.mean(1)),
        "pre4_empty_sync_f": empty.sync,
        "t_embed_028": net.t_embed(torch.tensor([0.28])),
        "latent_rot4": matrices(led.sound_turns[:5]), "clip_rot4": matrices(led.picture_turns[:5]),
    }  # fmt: skip
    for name, ours in whole.items():
        if name in golden:
            yield compare(name, ours, golden[name], 1e-5)
    yield from flow_samples(golden, net)


def matrices(by: Tensor) -> Tensor:
    """Turns (n, i, 2) as [[cos, -sin], [sin, cos]], (1, n, i, 2, 2)."""
    cos, sin = by.unbind(-1)
    return torch.stack([cos, -sin, sin, cos], -1).unflatten(-1, (2, 2))[None]


def flow_samples(golden: Golden, net: FlowTransformer) -> Checks:
    lengths, tag = Lengths.of(Fraction(8), FLOW_MEL), "gen8s25"
    noise = rnd(f"{tag}_x0", (1, lengths.latent, TINY_FLOW.channels))
    led = conditions(net, tag, lengths)

    def sample(guidance: float, text: str = "text", steps: int = 25) -> Tensor:
        empty = conditions(net, tag, lengths, True, text)
        return sample_flow(guided_velocity(net, led, empty, guidance), noise, steps)

    if "sample25" in golden:
        drawn = sample(4.5)
        yield compare("sample25", drawn, golden["sample25"], 5e-5)
        raw = net.to_mel_latent(drawn).mT
        yield compare("sample25_unnormalised", raw, golden["sample25_unnormalised"], 5e-5)
    if "sample25_negative" in golden:
        yield compare("sample25_negative", sample(4.5, "neg"), golden["sample25_negative"], 5e-5)
    for name, guidance in (("sample10_cfg1", 1.0), ("sample10_nocfg", 0.5)):
        if name in golden:
            yield compare(name, sample(guidance, steps=10), golden[name], 5e-5)


def flow_44k(golden: Golden) -> Checks:
    lengths = Lengths.of(Fraction(8), FLOW_MEL_44K)
    latent, time = rnd("gen44_x", (1, lengths.latent, 8)), torch.tensor([0.6])
    for name, config, tolerance in (
        ("v_cond", TINY_FLOW, 1e-5),
        ("v_cond_v2", replace(TINY_FLOW, second_version=True), 2e-4),
    ):
        if name in golden:
            net = flow(config)
            led = conditions(net, "gen44", lengths)
            yield compare(name, net(latent, time, led), golden[name], tolerance)


def flow_full(golden: Golden, config: FlowTransformerConfig = FLOW_TRANSFORMER) -> Checks:
    net, mel = flow(config), FLOW_MEL if config.channels == 20 else FLOW_MEL_44K
    lengths = Lengths.of(Fraction(8), mel)
    latent, time = rnd("full_x", (1, lengths.latent, config.channels)), torch.tensor([0.28])
    led = conditions(net, "full", lengths)
    empty = conditions(net, "full", lengths, True)
    against = conditions(net, "full", lengths, True, "neg")
    for name, which in (("v_cond", led), ("v_empty", empty), ("v_negative", against)):
        if name in golden:
            yield compare(name, net(latent, time, which), golden[name], 1e-5)
    rows = [0, 1, 124, 249]
    whole = {
        "sync_f": led.sync[:, rows],
        "clip_f_c": net.clip_cond_proj(led.picture.mean(1)),
        "text_f_c": net.text_cond_proj(led.words.mean(1)),
    }
    for name, ours in whole.items():
        if name in golden:
            yield compare(name, ours, golden[name], 1e-5)


def flow_blocks(golden: Golden) -> Checks:
    net, size = flow(FLOW_TRANSFORMER), FLOW_TRANSFORMER.size
    streams = (
        rnd("blk_latent", (1, 30, size)),
        rnd("blk_clip", (1, 9, size)),
        rnd("blk_text", (1, 12, size)),
    )
    whole, each = rnd("blk_global", (1, 1, size)), rnd("blk_ext", (1, 30, size))
    places = (turns(30, 64), turns(9, 64, 30 / 9))
    for index, block in enumerate(net.joint_blocks):
        made = block(streams, whole, each, places)
        for name, rows in zip(("latent", "clip", "text"), made, strict=True):
            if (key := f"joint{index}_{name}") in golden:
                yield compare(key, rows, golden[key], 1e-5)
    for index, block in enumerate(net.fused_blocks):
        if (key := f"fused{index}") in golden:
            yield compare(key, block(streams[0], each, places[0]), golden[key], 1e-5)
    if "final" in golden:
        yield compare("final", net.final_layer(streams[0], whole), golden["final"], 1e-5)


# Latents and mels


def autoencoder(config: MelVaeConfig, encodes: bool = False) -> MelVae:
    """Filled under the raw names, gains included, then folded."""
    net = MelVae(config, encodes)
    raw = {
        name: fill_tensor(name, tuple(tensor.shape))
        for name, tensor in net.state_dict().items()
        if not name.startswith("data_")
    }
    for half in ("encoder", "decoder") if encodes else ("decoder",):
        raw[f"{half}.learnable_gain"] = fill_tensor(f"{half}.learnable_gain", ())
    net.load_state_dict(fold(raw), strict=False)
    return net.eval().requires_grad_(False)


def vae_tiny(golden: Golden) -> Checks:
    net = autoencoder(replace(MEL_VAE, size=32), encodes=True)
    latent = rnd("vae_tiny_z", (2, 20, 30))
    entered = net.decoder.conv_in(latent[:1])
    mid = net.decoder.mid
    mean, log_variance = net.encode(rnd("vae_tiny_mel", (1, 80, 40)))
    block = mid["block_1"](entered)
    ours = {
        "mel": net.decode(latent), "mel_normalised": net.decoder(latent), "conv_in": entered,
        "block_1": block, "attn_1": mid["attn_1"](block),
        "folded_conv": mid["block_1"].conv1.weight[:2],
        "enc_mean": mean, "enc_logvar": log_variance,
    }  # fmt: skip
    assert through_middle(mid, entered).shape == entered.shape
    for name, theirs in golden.items():
        if name in ours:
            yield compare(name, ours[name], theirs, 1e-5)


def vae_full(config: MelVaeConfig, tag: str, length: int) -> Callable[[Golden], Checks]:
    def check(golden: Golden) -> Checks:
        latent = rnd(tag, (1, config.channels, length))
        yield compare("mel", autoencoder(config).decode(latent), golden["mel"], 1e-5)

    return check


def vae_constants(golden: Golden) -> Checks:
    for rate, bands in (("16k", 80), ("44k", 128)):
        mean, deviation = statistics(bands)
        yield exact(f"mean_{rate}", mean, golden[f"mean_{rate}"])
        yield exact(f"std_{rate}", deviation, golden[f"std_{rate}"])


# Waveforms


def vocoder(config: BigvganConfig) -> BigVgan:
    net = fill(BigVgan(config))
    assert isinstance(net, BigVgan)
    return net


def vocoder_checks(
    config: BigvganConfig, tag: str, batch: int, frames: int, tolerance: float
) -> Callable[[Golden], Checks]:
    def check(golden: Golden) -> Checks:
        net = vocoder(config)
        mel = rnd(tag, (batch, config.n_mels, frames))
        before = net.unbounded(mel)
        yield compare("before_end", before, golden["before_end"], tolerance)
        yield compare("wave", net(mel), golden["wave"], tolerance)
        if "act_in_resblock0" in golden:
            bent = net.resblocks[0].activations[0](rnd("voc_act", (1, 32, 40)))
            yield compare("act_in_resblock0", bent, golden["act_in_resblock0"], tolerance)
            yield compare("fir", lowpass()[None, None], golden["fir"], tolerance)
        for name in ("fold_conv", "fold_up"):
            if name in golden:
                parts = (torch.from_numpy(golden[f"{name}_{part}"]) for part in "gv")
                yield compare(name, unfold_norm(*parts), golden[name], tolerance)

    return check


# Words


def text_tiny(golden: Golden) -> Checks:
    reader = fill(
        T5Encoder(T5Config(vocabulary=300, size=32, heads=4, head_size=8, inner=48, blocks=3))
    )
    ids, mask = (torch.from_numpy(golden[f"t5_{name}"]) for name in ("ids", "mask"))
    yield compare("t5", reader(ids, mask.bool()), golden["t5"], 1e-5)
    long = (torch.arange(2, 152) % 300)[None]
    rows = reader(long)[:, [0, 75, 149]]
    yield compare("t5_long_probe", rows, golden["t5_long_probe"], 1e-5)
    tower = fill(ClipText(ClipTextConfig(size=64, heads=4, blocks=3)))
    lists = torch.from_numpy(golden["clip_ids"])[: len(golden["clip"])]
    rows = tower(lists)[:, golden["clip_positions"]]
    yield compare("clip", rows, golden["clip"], 1e-5)


def t5_full(golden: Golden) -> Checks:
    ids, mask = torch.from_numpy(golden["ids"]), torch.from_numpy(golden["mask"]).bool()
    yield compare("out", fill(T5Encoder(T5))(ids, mask), golden["out"], 1e-4)


def clip_full(golden: Golden) -> Checks:
    lists = clip_tokens(["dog barking", "footsteps on gravel"])
    rows = fill(ClipText(CLIP_TEXT))(lists)[:, golden["positions"]]
    yield compare("out", rows, golden["out"], 1e-4)


def clip_lists(golden: Golden) -> Checks:
    ours = clip_tokens(golden["prompts"]).tolist()
    for prompt, one, other in zip(golden["prompts"], ours, golden["ids"], strict=True):
        yield exact(f"{prompt[:24]!r}", one, other)


# Frames, lengths, mels, mixing


def mels(golden: Golden) -> Checks:
    for rate, config, noise, amount, cut, edges in (
        ("16", FLOW_MEL, "mel_noise", 0.2, 2000, [0, 1, 20, 79]),
        ("44", FLOW_MEL_44K, "mel44_noise", 0.1, None, [0, 1, 40, 127]),
    ):
        seconds = 1.0 if rate == "16" else 0.5
        samples = int(seconds * config.sample_rate)
        times = np.arange(samples) / config.sample_rate
        random = np.random.RandomState(zlib.crc32(noise.encode())).standard_normal(samples)
        sound = (0.5 * np.sin(2 * np.pi * 440 * times) + amount * random).astype(np.float32)
        if cut:
            sound[:cut] *= 4
        made = flow_mel(torch.from_numpy(sound)[None], config)
        if f"mel{rate}" in golden:
            yield compare(f"mel{rate}", made, golden[f"mel{rate}"], 1e-5)
        if f"basis{rate}" in golden:
            rows = mel_filters(config)[edges]
            yield compare(f"basis{rate}", rows, golden[f"basis{rate}"], 1e-5)


def resizing(golden: Golden) -> Checks:
    for name, theirs in golden.items():
        if name.startswith("resized_"):
            ours = squash(golden[name.replace("resized", "src")])
            yield exact(name, ours.tolist(), theirs.tolist())
            probe = (torch.from_numpy(ours).permute(2, 0, 1) / 127.5 - 1)[:, ::56, ::56]
            key = name.replace("resized", "norm_probe")
            yield compare(key, probe, golden[key], 1e-6)


RATES = {"23.976": Fraction(24000, 1001), "29.97": Fraction(30000, 1001)}


def frame_selection(golden: Golden) -> Checks:
    """The published rule, float sums and all; what is used here counts in fractions."""
    for name, theirs in golden.items():
        shown, container = name.replace("_exactly8s", "").rsplit(".", 1)
        rate = RATES.get(shown) or Fraction(shown)
        if container == "mkv":  # milliseconds
            times = [round(n / rate * 1000) / 1000 for n in range(theirs["source_frames"])]
        else:
            times = [float(n / rate) for n in range(theirs["source_frames"])]
        sync = take_float_ticks(times, 25, 8.0)
        if "sync" in theirs:
            yield exact(name, sync[: len(theirs["sync"])], theirs["sync"])
        pictures = take_float_ticks(times, 8, 8.0)
        used = min(8.0, len(pictures) / 8)
        used = min(used, len(sync) / 25)
        counts = [len(pictures), len(sync), used, min(len(sync), int(25 * used))]
        wanted = [theirs[key] for key in ("n_clip", "n_sync", "duration_used", "sync_used")]
        yield exact(f"{name} counts", counts, wanted)


def sequence_lengths(golden: list[dict]) -> Checks:
    for row in golden:
        seconds = Fraction(str(row["duration"]))
        low, high = (Lengths.of(seconds, mel, in_floats=True) for mel in (FLOW_MEL, FLOW_MEL_44K))
        ours = {
            "latent16": low.latent, "latent44": high.latent, "clip": low.pictures,
            "segments": low.segments, "sync": low.sync, "frames25": low.frames,
            "samples16": low.samples, "samples44": high.samples,
        }  # fmt: skip
        wanted = {name: row[name] for name in ours if name in row}
        yield exact(f"{row['duration']} s", {name: ours[name] for name in wanted}, wanted)


def mixing(golden: Golden) -> Checks:
    films = blocks("mix_frames", 4, 1) / 127.5 - 1
    share = float(golden["lam"])
    rows = [
        side_by_side(films[one], films[other], share)[0, :, golden["rows"]]
        for one, other in ((0, 3), (1, 2), (2, 1))
    ]
    # the published code normalises what is mixed a second time
    yield compare("rows", torch.stack(rows), golden["as_coded_rows"] * 0.5 + 0.5, 1e-5)


SMALL_VOCODER = BigvganConfig(size=64)
SMALL_VOCODER_2 = BigvganConfig(size=64, second_version=True, **V2_44K)
FULL_VOCODER_2 = BigvganConfig(second_version=True, **V2_44K)
VAE_44K = MelVaeConfig(n_mels=128, size=512, channels=40)
CHECKS: dict[str, Callable] = {
    "clip_tokens.json": clip_lists,
    "sequence_lengths.json": sequence_lengths,
    "frame_selection.json": frame_selection,
    "frames_resize.npz": resizing,
    "mel.npz": mels,
    "mix.npz": mixing,
    "vae_constants.json": vae_constants,
    "video_enc_tiny.npz": lambda g: encoder_checks(g, TINY_ENCODER, "tiny", 7, 1e-5),
    "generator_tiny.npz": flow_tiny,
    "generator_tiny_44k.npz": flow_44k,
    "vae_tiny.npz": vae_tiny,
    "bigvgan_tiny.npz": vocoder_checks(SMALL_VOCODER, "voc_tiny_mel", 2, 20, 5e-5),
    "bigvgan_v2_tiny.npz": vocoder_checks(SMALL_VOCODER_2, "voc44_tiny_mel", 1, 10, 5e-5),
    "text_encoders_tiny.npz": text_tiny,
    "video_enc_full.npz": lambda g: encoder_checks(g, SELVA_ENCODER, "full", 6, 2e-5),
    "generator_blocks.npz": flow_blocks,
    "generator_full.npz": flow_full,
    "vae_16k_full.npz": vae_full(MEL_VAE, "vae16_z", 50),
    "vae_44k_full.npz": vae_full(VAE_44K, "vae44_z", 20),
    "bigvgan_16k_full.npz": vocoder_checks(BIGVGAN, "voc16_mel", 1, 24, 1e-4),
    "bigvgan_v2_44k_full.npz": vocoder_checks(FULL_VOCODER_2, "voc44_mel", 1, 10, 1e-4),
    "t5_full.npz": t5_full,
    "clip_text_full.npz": clip_full,
}
