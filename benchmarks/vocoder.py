"""Ways from a mel spectrogram to a waveform, on real sounds that were sent there and back.

    python benchmarks/vocoder.py --sounds SOUNDS [--limit 60] [--rate 16000] [--ways ships]

SOUNDS is a folder with sounds.csv; every tenth sound is taken (those held out of training), at most
4 s of each. Rows are what ships, a plain loop of Griffin-Lim without and with momentum, more
iterations, and other starts and ends that papers recommend; with ``--run`` the network of
`foley train vocoder` as well. *mel*: spectral convergence, how far the mel of what comes out is
from the mel that went in, in dB of the latter's energy; less is better. *FAD*: Fréchet distance of
YAMNet's patches to those of the sounds themselves. The two can disagree.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
import torch
from library import hear, read_rows
from torch import Tensor

from foleycli.config import DIFF_FOLEY_MEL, MEL, TRAINING, MelConfig, VocoderTraining
from foleycli.evaluate.fad import frechet_distance
from foleycli.library.level import SAMPLE_RATE
from foleycli.library.recording import read_sound
from foleycli.train.checkpoint import read_latest
from foleycli.waveform.mel import expand, log_mel, mel_filters, stft
from foleycli.waveform.vocoder import ITERATIONS, MOMENTUM, finer, istft, mel_to_magnitudes
from foleycli.waveform.vocoder import griffin_lim as shipped
from foleycli.waveform.vocoder_net import VocoderNet

SECONDS = 4
CONFIGS = {config.sample_rate: config for config in (DIFF_FOLEY_MEL, MEL)}


@dataclass(frozen=True, slots=True)
class Task:
    """One sound's mel (bands, frames), laid out for a vocoder."""

    mel: Tensor
    samples: int
    magnitudes: Tensor  # (bins, frames of the finer grid)
    bands: Tensor  # (n_mels, frames of the finer grid), magnitudes
    config: MelConfig  # of the finer grid

    @classmethod
    def of(cls, mel: Tensor, config: MelConfig) -> "Task":
        """Add frames and find magnitudes, as the vocoder that ships does."""
        denser, finer_config = finer(mel, config)
        bands = expand(denser)
        samples = mel.shape[-1] * config.hop_length
        return cls(mel, samples, mel_to_magnitudes(bands, finer_config), bands, finer_config)


Start = Callable[[Task, int], Tensor]  # (task, seed) -> complex spectrogram


def random_phases(task: Task, seed: int) -> Tensor:
    """Every phase as likely as any other."""
    generator = torch.Generator().manual_seed(seed)
    angles = torch.rand(task.magnitudes.shape, generator=generator) * 2 * torch.pi
    return torch.polar(task.magnitudes, angles)


def from_peaks(task: Task, seed: int) -> Tensor:
    """SPSI: each peak turns at its own frequency, the bins around it with it (Beauregard, Harish,
    Wyse, "Single pass spectrogram inversion", DSP 2015)."""
    magnitudes = task.magnitudes.numpy()
    bins, frames = magnitudes.shape
    turned = np.random.default_rng(seed).random(bins) * 2 * np.pi
    phases = np.zeros_like(magnitudes)
    every = np.arange(bins)
    for i in range(frames):
        column = magnitudes[:, i]
        peaks = 1 + np.flatnonzero((column[1:-1] > column[:-2]) & (column[1:-1] >= column[2:]))
        if len(peaks):
            left, top, right = (np.log(column[peaks + k] + 1e-9) for k in (-1, 0, 1))
            bend = np.minimum(left - 2 * top + right, -1e-9)
            exact = peaks + np.clip((left - right) / (2 * bend), -0.5, 0.5)
            step = 2 * np.pi * exact * task.config.hop_length / task.config.n_fft
            nearest = np.searchsorted((peaks[1:] + peaks[:-1]) / 2, every)
            alternate = np.pi * ((every - peaks[nearest]) % 2)
            turned = (turned[peaks] + step)[nearest] + alternate
        phases[:, i] = turned % (2 * np.pi)
    return torch.polar(task.magnitudes, torch.from_numpy(phases))


def griffin_lim(
    task: Task,
    seed: int,
    iterations: int = 32,
    momentum: float = MOMENTUM,
    start: Start = random_phases,
    fit_last: int = 0,
) -> Tensor:
    """(samples,); the last ``fit_last`` iterations fit the mel bands in place of magnitudes."""
    spectrogram = start(task, seed)
    before = torch.zeros_like(spectrogram)
    for i in range(iterations):
        rebuilt = stft(istft(spectrogram, task.samples, task.config), task.config)
        turned = rebuilt + momentum * (rebuilt - before)
        before = rebuilt
        if i < iterations - fit_last:
            spectrogram = turned * (task.magnitudes / turned.abs().clamp(min=1e-9))
        else:
            spectrogram = turned * band_gains(turned.abs(), task)
    return istft(spectrogram, task.samples, task.config)


def band_gains(magnitudes: Tensor, task: Task) -> Tensor:
    """What each bin is to be multiplied by so that the mel bands come out right, on average."""
    filters = mel_filters(task.config)
    shares = filters / filters.sum(0).clamp(min=1e-12)
    ratios = (task.bands + 1e-7) / (filters @ magnitudes + 1e-7)
    return shares.T @ ratios.clamp(max=1e3)


def of_ours(iterations: int) -> Callable[[Task, int], Tensor]:
    """What ships, at some number of iterations."""
    return lambda task, seed: shipped(task.magnitudes, task.samples, task.config, seed, iterations)


WAYS: dict[str, Callable[[Task, int], Tensor]] = {
    "ships": of_ours(ITERATIONS),
    "ships, 8 iterations": of_ours(8),
    "ships, 16 iterations": of_ours(16),
    "ships, 32 iterations": of_ours(32),
    "no momentum": lambda task, seed: griffin_lim(task, seed, momentum=0),
    "momentum 0.99": griffin_lim,
    "16 iterations": lambda task, seed: griffin_lim(task, seed, 16),
    "64 iterations": lambda task, seed: griffin_lim(task, seed, 64),
    "momentum 1.2": lambda task, seed: griffin_lim(task, seed, momentum=1.2),
    "from peaks": lambda task, seed: griffin_lim(task, seed, start=from_peaks),
    "last 8 fit the mel": lambda task, seed: griffin_lim(task, seed, fit_last=8),
}


def read_network(run: Path) -> dict[str, Callable[[Task, int], Tensor]]:
    """The moving average of a run of `foley train vocoder`, as it is now."""
    config = TRAINING["vocoder"]["small"]
    checkpoint = read_latest(run / "checkpoints")
    if not isinstance(config, VocoderTraining) or not checkpoint:
        raise SystemExit(f"{run} has no checkpoint of a vocoder")
    net = VocoderNet(config.mel, config.sizes).eval()
    net.load_state_dict(checkpoint.module("average"))
    name = f"network, {checkpoint.state['done']} updates"
    return {name: lambda task, seed: net.sound(task.mel, seed)}


def read_mels(sounds: Path, limit: int, config: MelConfig) -> tuple[list[Tensor], list[np.ndarray]]:
    """Mels of held-out sounds, and what YAMNet hears in the sounds at this rate."""
    mels, true = [], []
    for row in read_rows(sounds)[0][:limit]:
        samples = read_sound(sounds / row["file"], 0, SECONDS * SAMPLE_RATE)
        waveform = soxr.resample(samples, SAMPLE_RATE, config.sample_rate).astype(np.float32)
        waveform = np.pad(waveform, (0, -len(waveform) % (8 * config.hop_length)))
        mels.append(log_mel(torch.from_numpy(waveform), config))
        true.append(embed(torch.from_numpy(waveform), config))
    return mels, true


def embed(waveform: Tensor, config: MelConfig) -> np.ndarray:
    """YAMNet's rows (patches, 1024)."""
    return hear(soxr.resample(waveform.numpy(), config.sample_rate, SAMPLE_RATE))[0]


def convergence_db(waveform: Tensor, mel: Tensor, config: MelConfig) -> float:
    """Distance of a waveform's mel magnitudes from those asked for, relative to the latter."""
    asked, got = expand(mel), expand(log_mel(waveform, config))
    return float(20 * ((got - asked).norm() / asked.norm().clamp(min=1e-9)).log10())


@torch.inference_mode()
def main() -> None:
    """Parse, invert and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sounds", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--rate", type=int, choices=CONFIGS, default=32_000)
    parser.add_argument("--run", type=Path, help="of foley train vocoder, for sounds of 32 kHz")
    parser.add_argument("--ways", default="", help="only rows whose name begins so")
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = CONFIGS[options.rate]
    ways = WAYS | (read_network(options.run) if options.run else {})
    mels, true = read_mels(options.sounds, options.limit, config)
    seconds = sum(mel.shape[-1] for mel in mels) * config.hop_length / config.sample_rate
    tasks = [Task.of(mel, config) for mel in mels]
    print(f"{len(mels)} sounds at {config.sample_rate} Hz")
    print(f"{'Griffin-Lim':24}   mel dB      FAD   CPU-s for 8 s")
    for name, way in ways.items():
        if not name.startswith(options.ways):
            continue
        began = time.process_time()
        made = [way(task, seed) for seed, task in enumerate(tasks)]
        spent = (time.process_time() - began) * 8 / seconds
        mel_db = np.mean([convergence_db(*pair, config) for pair in zip(made, mels, strict=True)])
        heard = np.concatenate([embed(waveform, config) for waveform in made])
        distance = frechet_distance(heard, np.concatenate(true))
        print(f"{name:24} {mel_db:8.2f} {distance:8.2f} {spent:10.2f}", flush=True)


if __name__ == "__main__":
    main()
