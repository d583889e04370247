"""Diff-Foley's fixtures: see the page beside them; every file that is there is compared.

Their page names no tolerances: relative RMS 2e-5 for what one network computes, 1e-4 for samples of
many steps (two runs of the reference itself differ by 1e-5), and the same bytes for pictures.
"""

import json
import subprocess
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from golden import Checks, compare, exact, fill, golden_folder, rnd
from torch import Tensor, nn

from foleycli.clip.probe import probe
from foleycli.config import DIFF_FOLEY_MEL, LatentDiffusionConfig
from foleycli.frames.decode import decode_pictures
from foleycli.frames.resize import resize_rgb
from foleycli.latents.align import Alignment, alignment
from foleycli.latents.diff_foley import DiffFoley
from foleycli.latents.sampler import guide, sample_ddim, sample_latents, steer
from foleycli.latents.schedule import NoiseSchedule
from foleycli.models.filled import filled
from foleycli.mux.ffmpeg import find_ffmpeg
from foleycli.sight.cavp import Cavp, SlowOnly, pool_time, unit_rows
from foleycli.sources.convert import from_public, to_public
from foleycli.waveform.mel import log_mel, mel_filters

TINY = LatentDiffusionConfig(base_channels=32, context_size=64, autoencoder_channels=32)
SCHEDULE = NoiseSchedule.scaled_linear()
ONE, MANY = 2e-5, 1e-4  # tolerances: of one pass, of a sample
GUIDANCE = 4.5
Golden = dict[str, np.ndarray]


def check_fixtures(folder: Path, only: str = "") -> Checks:
    """Compare with every fixture in a folder whose name holds a word."""
    for name, check in CHECKS.items():
        path = golden_folder(folder) / name
        if only in name and path.is_file():
            golden = json.loads(path.read_text()) if path.suffix == ".json" else dict(np.load(path))
            for found in check(golden):
                yield replace(found, fixture=f"{name} {found.fixture}")


def fill_public(module: nn.Module) -> nn.Module:
    """Fill under the public names, as the reference was filled."""
    state, _ = from_public(module, filled(to_public(module)))
    module.load_state_dict(state)
    return module.eval().requires_grad_(False)


def pixels(name: str, *shape: int) -> Tensor:
    random = np.random.RandomState(zlib.crc32(name.encode()))
    return torch.from_numpy(random.randint(0, 256, shape).astype(np.uint8))


def some(ours: dict[str, Callable[[], object]], golden: Golden, tolerance: float) -> Checks:
    """Those of ours that have a fixture."""
    for name, make in ours.items():
        if name in golden:
            yield compare(name, make(), golden[name], tolerance)


def cavp(golden: Golden) -> Checks:
    net = fill(Cavp())
    assert isinstance(net, Cavp)
    rows = net.encode_frames(pixels("frames_224", 2, 16, 3, 224, 224))
    small = net.encode_frames(pixels("frames_112", 1, 8, 3, 112, 112))
    heard = net.encode_mel(torch.from_numpy(golden["spec_in"]))
    ours = {
        "out_224_unnormalised": lambda: rows, "out_224": lambda: unit_rows(rows),
        "out_224_pooled": lambda: pool_time(rows), "out_112": lambda: unit_rows(small),
        "spec_out": lambda: unit_rows(heard), "spec_out_pooled": lambda: pool_time(heard),
    }  # fmt: skip
    yield from some(ours, golden, ONE)


def slow_only(golden: Golden) -> Checks:
    rows = fill(SlowOnly(base_channels=8))(torch.from_numpy(golden["in_uint8"]).float() / 255)
    yield compare("out", rows.mT[..., None, None], golden["out"], ONE)


def diffusion(config: LatentDiffusionConfig) -> Callable[[Golden], Checks]:
    def check(golden: Golden) -> Checks:
        net = fill_public(DiffFoley(config))
        assert isinstance(net, DiffFoley)
        noise, asked = rnd("z_T", (1, 4, 16, 64)), rnd("video_feat", (1, 32, 512))
        context = net.embed(F.normalize(asked, dim=-1))
        nothing, scale = net.nothing(context), config.latent_scale
        mel = golden.get("enc_in_ch0", unit("vae_spec", 1, 128, 512))
        mean, log_variance = net.encode(torch.from_numpy(mel))

        def predict(time: float, led: Tensor) -> Callable[[], Tensor]:
            return lambda: net.predict_noise(noise, torch.tensor(time), led)

        decoded = net.decode(rnd("latent", (1, 4, 16, 64)))
        ours: dict[str, Callable[[], object]] = {
            "cond_emb": lambda: context,
            "eps_cond": predict(500.0, context), "eps_uncond": predict(500.0, nothing),
            "eps_cond_t123_456": predict(123.456, context),
            "decoded_ch0": lambda: decoded,
            "enc_mean": lambda: mean / scale,
            "enc_logvar": lambda: log_variance - 2 * np.log(scale),
        }  # fmt: skip
        yield from some(ours, golden, ONE)
        if "decoded" in golden:
            yield compare("decoded", decoded, golden["decoded"][:, 0], ONE)
        if "sample25" in golden:
            yield from samples(net, golden, noise, context)

    return check


def unit(name: str, *shape: int) -> np.ndarray:
    return np.random.RandomState(zlib.crc32(name.encode())).rand(*shape).astype(np.float32)


def samples(net: DiffFoley, golden: Golden, noise: Tensor, context: Tensor) -> Checks:
    predict = guide(net.predict_noise, context, net.nothing(context), GUIDANCE)
    drawn = sample_latents(predict, noise, SCHEDULE, 25)
    classifier = fill_public(Alignment())
    assert isinstance(classifier, Alignment)
    raw = torch.from_numpy(golden["feats33"])
    steered = steer(predict, classifier.log_probability(raw), SCHEDULE, 50)
    ours: dict[str, Callable[[], object]] = {
        "sample25": lambda: drawn,
        "sample10": lambda: sample_latents(predict, noise, SCHEDULE, 10),
        "ddim25_eta0": lambda: sample_ddim(predict, noise, SCHEDULE, 25),
        "sample25_decoded_ch0": lambda: net.decode(drawn),
        "sample25_dg50": lambda: sample_latents(steered, noise, SCHEDULE, 25),
    }
    yield from some(ours, golden, MANY)
    shown = F.normalize(rnd("video_feat", (1, 32, 512)), dim=-1)
    for name, rows in (("raw33", raw), ("condmodel32", classifier.conditioner(shown))):
        with torch.inference_mode(False), torch.enable_grad():
            latent = noise.clone().requires_grad_()
            log = classifier.log_probability(rows.clone())(latent, torch.tensor(500.0))
            (slope,) = torch.autograd.grad(log.sum(), latent)
        if f"dg_prob_{name}" in golden:
            yield compare(f"dg_prob_{name}", log.exp(), golden[f"dg_prob_{name}"][0], ONE)
            yield compare(f"dg_grad_{name}", slope, golden[f"dg_grad_{name}"], ONE)


def scores(golden: Golden) -> Checks:
    net = fill_public(Alignment(scores=True))
    assert isinstance(net, Alignment)
    rows = torch.from_numpy(golden["cond_in"])
    yield compare("cond_emb", net.conditioner(rows), golden["cond_emb"], ONE)
    found = alignment(net, torch.from_numpy(golden["spec_ch0"]), rows)
    yield compare("prob", found, golden["prob"][0], ONE)


def solver(golden: Golden) -> Checks:
    times = SCHEDULE.sampling_times(25)
    alpha, sigma = SCHEDULE.signal_and_noise(times)
    for name, ours in (
        ("t_cont", times), ("t_input", SCHEDULE.model_time(times[:-1])),
        ("log_alpha", alpha.log()), ("sigma", sigma), ("lam", alpha.log() - sigma.log()),
    ):  # fmt: skip
        if name in golden:
            yield compare(name, ours.numpy(), golden[name], 1e-6)
    rows = torch.full((1, 1, 1, 1), float(golden["cond_mean"]), dtype=torch.float64)

    def model(latent: Tensor, time: Tensor, led: Tensor) -> Tensor:
        return torch.tanh(0.5 * latent * (1 + led)) * (0.5 + time / 2000)

    predict = guide(model, rows, torch.zeros_like(rows), GUIDANCE)
    drawn = sample_latents(predict, torch.from_numpy(golden["x_T"]), SCHEDULE, 25)
    yield compare("x_out", drawn.numpy(), golden["x_out"], 1e-6)


def mel(golden: Golden) -> Checks:
    yield compare("mel_basis", mel_filters(DIFF_FOLEY_MEL), golden["mel_basis"], ONE)
    made = log_mel(torch.from_numpy(golden["wav_in"]), DIFF_FOLEY_MEL)
    yield compare("mel", made, golden["mel"], ONE)


def pictures(golden: Golden) -> Checks:
    pairs = zip(golden["src_uint8"], golden["resized_uint8"], strict=True)
    for i, (source, theirs) in enumerate(pairs):
        yield exact(f"resized_uint8[{i}]", np.array_equal(resize_rgb(source), theirs), True)


def frames(golden: dict) -> Checks:
    """Films of these rates are made, written as Matroska as the reference's were, and decoded."""
    with tempfile.TemporaryDirectory() as folder:
        for case, theirs in golden.items():
            rate, start, length = case.split()
            film = Path(folder) / f"{rate.replace('/', '_')}.mkv"
            if not film.exists():
                source = ["-f", "lavfi", "-i", f"testsrc2=s=64x48:r={rate}:d=10"]
                coded = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
                mp4 = film.with_suffix(".mp4")
                run = [find_ffmpeg(), "-v", "error", "-y"]
                subprocess.run([*run, *source, *coded, str(mp4)], check=True)
                subprocess.run([*run, "-i", str(mp4), "-c", "copy", str(film)], check=True)
            clip = probe(film)
            begin = Fraction(0 if start == "ss=None" else start.removeprefix("ss="))
            end = begin + Fraction(10 if length == "t=None" else length.removeprefix("t="))
            assert clip.frame_rate
            ours = [
                int((begin + picture.time) * clip.frame_rate)
                for picture in decode_pictures(clip, begin, end)
                for _ in range(picture.repeats)
            ]
            wanted = theirs["src_idx"] if isinstance(theirs, dict) else theirs
            yield exact(case, ours, wanted)


CHECKS: dict[str, Callable] = {
    "frame_selection.json": frames,
    "frames_pil_resize.npz": pictures,
    "mel.npz": mel,
    "solver_analytic_25.npz": solver,
    "slowonly_tiny.npz": slow_only,
    "ldm_tiny.npz": diffusion(TINY),
    "eval_classifier.npz": scores,
    "cavp_full.npz": cavp,
    "ldm_full.npz": diffusion(LatentDiffusionConfig()),
}
