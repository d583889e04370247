"""Train the vocoder: mel spectrogram to waveform.

    foley train vocoder --sounds SOUNDS --out runs/vocoder

SOUNDS is a folder with ``sounds.csv`` (see `train.data`). The loss is an energy distance: two
waveforms drawn for one mel shall be as near to the true one, and as far from each other, as two
true ones would be. So the network learns to draw textures, with no second network against it.

Source: Gritsenko et al. 2020, arXiv 2008.01160.
"""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from foleycli.config import VocoderTraining
from foleycli.train.run import Run, RunOptions
from foleycli.train.waves import WaveSet
from foleycli.waveform.mel import hann, log_mel
from foleycli.waveform.vocoder_net import QUIETEST, VocoderNet, save_vocoder

HELD_OUT = 64  # pieces the network is looked at with


def train(
    sounds: Path, table: Path, cache: Path, out: Path, config: VocoderTraining, options: RunOptions
) -> Path:
    """Train, or go on; the path of the finished ``vocoder.safetensors``."""
    with Run(out, "vocoder", config, options) as run:
        # what is learned from
        with run.first_alone():
            waves = WaveSet(sounds, table, cache, config.mel.sample_rate)
        samples = config.frames * config.mel.hop_length
        held_out = waves.held_out_pieces(HELD_OUT, samples)

        # what learns
        net = VocoderNet(config.mel, config.sizes).to(run.device)
        average = run.average_of(net)
        optimizer = torch.optim.AdamW(
            net.parameters(), config.rate, (0.8, 0.99), weight_decay=config.weight_decay
        )
        pieces, chance = np.random.default_rng(run.seed), run.generator()
        run.begin(
            {"net": net, "average": average},
            {"optimizer": optimizer},
            {"pieces": pieces, "chance": chance},
        )

        # learn
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                waveforms = waves.draw(run.share, samples, pieces)
                loss = energy_distance(net, waveforms, chance, run)
                run.backward(loss)
            run.step(optimizer)
            run.follow(average, net)
            run.end_update()
            if run.is_due() and len(held_out):
                with torch.no_grad():
                    same_chance = torch.Generator().manual_seed(0)
                    run.validated(loss=energy_distance(average, held_out, same_chance, run))

        path = out / "vocoder.safetensors"
        if run.rank == 0:
            save_vocoder(path, average)
        return path


def energy_distance(
    net: VocoderNet, waveforms: Tensor, chance: torch.Generator, run: Run[VocoderTraining]
) -> Tensor:
    """d(true, one) + d(true, other) - d(one, other), a mean over (batch, samples) of waveforms."""
    mel = log_mel(waveforms, net.mel)
    noise = net.draw_noise(2 * len(mel), mel.shape[-1], chance).to(run.device)
    with run.autocast():
        drawn = net(torch.cat([mel, mel]).to(run.device), noise)
    one, other = drawn.chunk(2)
    true = waveforms.to(run.device)
    distance = torch.zeros((), device=run.device)
    for size in run.config.windows:
        seen = [magnitudes(waveform, size) for waveform in (true, one, other)]
        distance = distance + apart(seen[0], seen[1], size) + apart(seen[0], seen[2], size)
        distance = distance - apart(seen[1], seen[2], size)
    return distance


def apart(first: Tensor, second: Tensor, size: int) -> Tensor:
    """How far magnitudes (batch, bins, frames) of windows of ``size`` samples are apart.

    L1 of magnitudes and, frame by frame, L2 of their logarithms.
    """
    logs = (first + QUIETEST).log() - (second + QUIETEST).log()
    lengths = (logs.square().sum(1) + 1e-6).sqrt().mean()
    return ((first - second).abs().sum(1).mean() + math.sqrt(size / 2) * lengths) / size


def magnitudes(waveform: Tensor, size: int) -> Tensor:
    """(batch, samples) -> (batch, bins, frames), a quarter window apart."""
    frames = pad(waveform, (size // 2, size // 2)).unfold(-1, size, size // 4)
    # not torch.stft: it has failed here with a gradient, once, on one machine
    spectrum = torch.fft.rfft(frames * hann(size).to(waveform.device))
    return (spectrum.real.square() + spectrum.imag.square() + 1e-10).sqrt().transpose(1, 2)
