"""VisAH's published network and its data beside what was measured of them: see fixtures.py.

A file that is not in the folder is not compared.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from golden import Check, Checks, golden_folder
from numpy.random import RandomState
from scipy.signal import lfilter

from foleycli.config import VISAH, VISAH_TEXT, VISAH_TINY, VisahConfig
from foleycli.highlight.network import HighlightNet, LatentModule, spectrogram, waveform
from foleycli.models.filled import fill_tensor

Row = tuple[str, float, float]  # name, largest error, tolerance
RATE = 44_100
OUT, SHARE, LATENT, LOSS, GAIN = 1e-5, 1e-4, 1e-4, 1e-5, 1e-6
ROUNDING = 1e-6  # of the largest magnitude


def rnd(name, shape):
    """Normal numbers of a name."""
    return RandomState(crc32(name.encode())).standard_normal(shape).astype(np.float32)


def stem(name, n, sr, pole, rate, level):
    """A sounding test signal; silent at level 0."""
    if level == 0:
        return np.zeros(n, np.float32)
    random_ = RandomState(crc32(name.encode()))
    noise = random_.standard_normal(n)
    phase = random_.rand() * 2 * np.pi
    y = lfilter([1 - pole], [1, -pole], noise)
    y /= np.sqrt(np.mean(y**2))
    swell = 0.5 * (1 - np.cos(2 * np.pi * rate * np.arange(n) / sr + phase))
    return (level * y * swell).astype(np.float32)


def stems(name, n):
    """Speech, music and effects of a name."""
    kinds = (("speech", 0.9, 4.0, 0.08), ("music", 0.98, 0.7, 0.06), ("sfx", 0.3, 2.0, 0.05))
    return [stem(f"{name}_{kind}", n, RATE, *shape) for kind, *shape in kinds]


def mix(name, n):
    """Their sum."""
    speech, music, sfx = stems(name, n)
    return speech + music + sfx


def fill(module):
    """The weights of the fixtures: every tensor from its own name; position tables as built."""
    state = {
        name: fill_tensor(name, tuple(tensor.shape))
        for name, tensor in module.state_dict().items()
        if name.rpartition(".")[2] != "pe"
    }
    module.load_state_dict(state, strict=False)
    return module.eval()


def filled_net(config: VisahConfig) -> HighlightNet:
    return fill(HighlightNet(config))


def check_fixtures(folder: Path) -> Checks:
    """Everything in a folder of fixtures; ``keys`` beside a folder that is called ``golden``."""
    golden = golden_folder(folder)
    arrays = (
        ("visah_tiny_short.npz", lambda z: network(z, VISAH_TINY, "tiny_a", 50_001, 3, 2048, 1)),
        ("visah_tiny_10s.npz", lambda z: network(z, VISAH_TINY, "tiny_b", 441_000, 10, 1024, 32)),
        ("visah_full_10s.npz", lambda z: network(z, VISAH, "full_a", 441_000, 10, 1024, 32)),
        ("parts_tiny.npz", parts),
        ("latent_full.npz", latent),
    )
    for name, check in arrays:
        if (golden / name).is_file():
            with torch.inference_mode():
                rows = list(check(np.load(golden / name)))
            yield from (Check(f"{name}:{key}", error, most) for key, error, most in rows)
    for name, check in (("loss_metrics.json", losses), ("muddy_mix.json", muddy)):
        if (golden / name).is_file():
            yield from (Check(*row) for row in check(json.loads((golden / name).read_text())))
    for beside in (golden / "keys", golden.parent / "keys"):
        if beside.is_dir():
            yield from (Check(*row) for row in keys(beside))


def network(golden, config, name, samples, frames, taken, stride) -> Iterator[Row]:
    """A run of the whole network, every inner step."""
    seen: dict[str, np.ndarray] = {}
    context = torch.from_numpy(rnd(f"ctx_{name}", (1, frames, config.context_size)))
    sound = torch.from_numpy(mix(name, samples))[None, None]
    net = filled_net(config)
    out = net(sound, context, watch=lambda step, x: seen.update({step: x.numpy()}))
    yield "out", worst(out.flatten().numpy()[::stride], golden["out"]), OUT
    for key in golden.files:
        step = key[2:]
        if key.startswith("p_"):
            x = seen[step]
            got = x.flatten()[:: max(1, x.size // taken)]
            loose = OUT if step.startswith("wave") else SHARE * golden[f"m_{step}"][1]
            yield key, worst(got, golden[key]), loose
        elif key.startswith("s_"):
            yield key, float(tuple(golden[key]) != seen[step].shape), 0.0
        elif key.startswith("m_") and step != "out":
            x = seen[step].astype(np.float64)
            got = np.array([x.mean(), x.std(ddof=1), np.abs(x).max()])
            yield key, worst(got, golden[key]), max(OUT, SHARE * golden[key][1])
    for key in ("mag_in", "mag_out"):
        x = seen[key]
        # magnitudes reach 460, where 32-bit numbers stand 3e-5 apart; the golden ones themselves
        # are 1.3e-4 from what 64 bits give
        loose = max(OUT, ROUNDING * float(np.abs(golden[key]).max()))
        yield key, worst(x.flatten()[:: max(1, x.size // taken)], golden[key]), loose


def parts(golden) -> Iterator[Row]:
    """Layers of the tiny network alone."""
    net = filled_net(VISAH_TINY)
    deep = net.encoder[4].dconv

    def t(name, shape):
        return torch.from_numpy(rnd(name, shape))

    got = {f"dconv4_{n}": deep(t(f"part_dconv_{n}", (1, 128, n))) for n in (150, 250, 431)}
    got |= {f"blstm_{n}": deep.layers[0][3](t(f"part_blstm_{n}", (1, 32, n)))
            for n in (150, 250, 431)}  # fmt: skip
    got["local"] = deep.layers[0][4](t("part_local", (1, 32, 60)))
    got["dconv1"] = net.encoder[1].dconv(t("part_dconv1", (2, 16, 70)))
    got["enc1_f"] = net.encoder[1](t("part_enc1", (1, 8, 64, 20)))
    got["enc2_t"] = net.tencoder[2](t("part_tenc2", (1, 16, 301)))
    shape = (1, 32, 32, 9)
    got["dec3_f"] = net.decoder[3](t("part_dec3", shape), t("part_dec3s", shape))[0]
    shape = (1, 32, 76)
    got["tdec2_t"] = net.tdecoder[2](t("part_tdec2", shape), t("part_tdec2s", shape), 301)[0]
    z = spectrogram(torch.from_numpy(mix("part_stft", 5000))[None, None])
    got["stft_re"], got["stft_im"] = z.real[0, 0, ::16], z.imag[0, 0, ::16]
    got["istft"] = waveform(z / 2, 5000).flatten()[::4]
    for n in (1200, 1536, 3000):
        sound = torch.from_numpy(mix(f"short_{n}", n))[None, None]
        got[f"short_{n}"] = net(sound, t("ctx_short", (1, 1, 32)))
    for key in golden.files:
        wanted, x = golden[key], got[key].numpy()
        if x.size != wanted.size:
            x = x.flatten()[:: max(1, x.size // 4096)]
        spread = OUT if key.startswith(("short", "stft", "istft")) else SHARE * wanted.std()
        yield key, worst(x.flatten(), wanted.flatten()), spread


def latent(golden) -> Iterator[Row]:
    """The latent module of the full size, for pictures and for captions."""
    for kind, config in (("vision", VISAH), ("text", VISAH_TEXT)):
        module = fill(LatentModule(config))
        shape = (1, 10, config.context_size)
        if kind == "vision":
            context = torch.from_numpy(rnd("lat_vision_ctx", shape))
            context = context / context.norm(dim=-1, keepdim=True)
        else:
            context = torch.from_numpy(0.1 * rnd("lat_text_ctx", shape))
        x = torch.from_numpy(rnd(f"lat_{kind}", (1, 768, 24)))
        yield (
            f"{kind}_ctx_enc",
            worst(module.encode_context(context)[0].numpy(), golden[f"{kind}_ctx_enc"]),
            LATENT,
        )
        yield f"{kind}_out", worst(module(x, context)[0].numpy(), golden[f"{kind}_out"]), LATENT
        second = torch.from_numpy(0.05 * rnd(f"lat_{kind}_ctx2", shape))
        both = module.encode_batch(torch.cat([context, second]))
        yield (
            f"{kind}_ctx_enc_b2",
            worst(both[..., ::8].numpy(), golden[f"{kind}_ctx_enc_b2"]),
            LATENT,
        )


def losses(cases) -> Iterator[Row]:
    """The training losses and measures of known pairs."""
    from foleycli.evaluate import highlight as measures
    from foleycli.highlight.loss import log_magnitude_loss, resolution_distances

    for case in cases:
        target = np.stack([mix(name, case["n"]) for name in case["names"]])
        prediction = np.stack([_gained(name, case["n"], case["gains"]) for name in case["names"]])
        p, t = torch.from_numpy(prediction), torch.from_numpy(target)
        label = f"loss:{'+'.join(case['names'])}"
        key = next(key for key in case if key.startswith("mrstft_logmag"))
        yield f"{label}:log", _relative(float(log_magnitude_loss(p, t)), case[key]), LOSS
        for wanted in case["per_resolution"]:
            got = resolution_distances(p, t, wanted["fft"])
            linear = next(key for key in wanted if key.startswith("lin_l1_mean"))
            for name, key in (("convergence", "sc"), ("log", "log_l1_mean"), ("linear", linear)):
                yield f"{label}:{wanted['fft']}:{name}", _relative(got[name], wanted[key]), LOSS
        for name, measure in (("MAG", measures.mag), ("WDIS", measures.w_dis)):
            for i, wanted in enumerate(case.get(f"{name}_items", [])):
                got = measure(target[i], prediction[i])
                yield f"{label}:{name}:{i}", _relative(got, wanted), LOSS


def muddy(cases) -> Iterator[Row]:
    """The published way to spoil a balance."""
    from foleycli.config import MuddyConfig
    from foleycli.highlight.muddy import muddy_stems

    classes = ("speech", "music", "sfx")
    for case in cases:
        sounds = [
            stem(f"{case['name']}_{kind}", case["n"], case["sr"], pole, rate, level)
            for kind, pole, rate, level in zip(
                classes, case["poles"], case["rates"], case["levels"], strict=True
            )
        ]
        made = muddy_stems(
            sounds, case["sr"], random.Random(case["seed"]), MuddyConfig(silent_too=True)
        )
        label = f"muddy:{case['name']}"
        yield f"{label}:loudest", float(classes[made.loudest] != case["loudest"]), 0.0
        yield f"{label}:highlight", float(classes[made.highlight] != case["highlight"]), 0.0
        yield f"{label}:change", worst(made.change_db, case["change_db"]), 0.0
        yield f"{label}:gain", worst(made.applied_gain, case["applied_gain"]), GAIN
        yield f"{label}:exact", worst(made.exact_gain, case["exact_gain"]), GAIN
        yield (
            f"{label}:mix",
            worst(made.mix[::1000][: len(case["mix_every_1000th"])], case["mix_every_1000th"]),
            GAIN,
        )


def keys(folder: Path) -> Iterator[Row]:
    """Names and shapes of the checkpoints."""
    for file, config in (("tiny", VISAH_TINY), ("vision3", VISAH), ("text6", VISAH_TEXT)):
        path = folder / f"visah_{file}.json"
        if not path.is_file():
            continue
        wanted = {name: tuple(shape) for name, (shape, _) in json.loads(path.read_text()).items()}
        with torch.device("meta"):
            net = HighlightNet(config)
        got = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
        wrong = set(wanted.items()) ^ set(got.items())
        yield f"keys:{file}", float(len(wrong)), 0.0


def worst(got, wanted) -> float:
    """Largest difference; nan where sizes differ."""
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    return float(np.abs(got - wanted).max(initial=0)) if got.shape == wanted.shape else np.nan


def _relative(got: float, wanted: float) -> float:
    return abs(got - wanted) / max(abs(wanted), 1e-12)


def _gained(name, n, gains):
    speech, music, sfx = (np.float32(g) * s for g, s in zip(gains, stems(name, n), strict=True))
    return speech + music + sfx
