"""A trained vocoder beside Griffin-Lim, on sounds that were held out.

    python benchmarks/vocoder.py --sounds SOUNDS --run runs/vocoder [--limit 12]

Each sound, up to 2 s of it, goes to its mel spectrogram and back. Printed are mean distances from
the true one: of the mel (its range is 0 to 1; times 100), of log magnitudes in windows of 128, 512
and 2048 samples; and processor time for a second of sound.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from foleycli.config import TRAINING, VocoderTraining
from foleycli.train.checkpoint import read_latest
from foleycli.train.vocoder import magnitudes
from foleycli.train.waves import WaveSet
from foleycli.waveform.mel import log_mel
from foleycli.waveform.vocoder import mel_to_waveform
from foleycli.waveform.vocoder_net import VocoderNet

SECONDS = 2
WINDOWS = (128, 512, 2048)
QUIET = 1e-4  # magnitude under which nothing is heard


def distances(true: Tensor, made: Tensor, config: VocoderTraining) -> list[float]:
    """Of the mel, then of log magnitudes in each window."""
    mels = [log_mel(waveform, config.mel) for waveform in (true, made)]
    apart = [100 * float((mels[0] - mels[1]).abs().mean())]
    for size in WINDOWS:
        logs = [(magnitudes(w[None], size) + QUIET).log() for w in (true, made)]
        apart.append(float((logs[0] - logs[1]).abs().mean()))
    return apart


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sounds", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="of foley train vocoder")
    parser.add_argument("--cache", type=Path, help="default: beside RUN, as foley train has it")
    parser.add_argument("--limit", type=int, default=12)
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = TRAINING["vocoder"]["small"]
    assert isinstance(config, VocoderTraining)
    checkpoint = read_latest(options.run / "checkpoints")
    assert checkpoint, f"{options.run} has no checkpoint"
    net = VocoderNet(config.mel, config.sizes).eval()
    net.load_state_dict(checkpoint.module("average"))

    cache = options.cache or options.run.parent / "cache"
    table = options.sounds / "sounds.csv"
    waves = WaveSet(options.sounds, table, cache, config.mel.sample_rate)
    every = max(1, len(waves.held_out) // options.limit)
    pieces = waves.held_out_pieces(len(waves.held_out), SECONDS * config.mel.sample_rate)[::every]
    ways = {
        "Griffin-Lim": lambda mel: mel_to_waveform(mel, config.mel),
        f"network, {checkpoint.state['done']} updates": net.sound,
    }
    print(f"{len(pieces[: options.limit])} held-out sounds")
    print("| | mel x 100 | " + " | ".join(map(str, WINDOWS)) + " | s per s |")
    for name, sound in ways.items():
        rows = []
        for true in pieces[: options.limit]:
            mel = log_mel(true, config.mel)
            began = time.process_time()
            made = sound(mel)
            spent = (time.process_time() - began) / SECONDS
            rows.append([*distances(true, made, config), spent])
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in np.mean(rows, axis=0)) + " |")


if __name__ == "__main__":
    main()
