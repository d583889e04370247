"""Fit the autoencoder of ``small``: principal components of mel patches, in two minutes.

    python -m foleycli.train.autoencoder --sounds SOUNDS --out work/small/autoencoder.safetensors

SOUNDS is a folder with ``sounds.csv`` (or ``--table CSV``), see `train.data`.
"""

import argparse
from pathlib import Path

import torch

from foleycli.config import MEL
from foleycli.latents.autoencoder import PatchAutoencoder
from foleycli.models.small import write_tensors
from foleycli.train.data import Scenes, SoundSet

PATCH = 8  # frames: 125 ms
CHANNELS = 448  # 128 lose a third of what a listener tells apart, 448 nothing (benchmarks/small.py)
WHITENING = 0.5  # half way: coarse shape carries more of the loss than fine texture
SCENES = 1500  # 96,000 patches for a covariance of 1024 x 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sounds", type=Path, required=True)
    parser.add_argument("--table", type=Path, help="default: SOUNDS/sounds.csv")
    parser.add_argument("--cache", type=Path, default=Path("work/small/cache"))
    parser.add_argument("--out", type=Path, default=Path("work/small/autoencoder.safetensors"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)

    sounds = SoundSet(options.sounds, options.table or options.sounds / "sounds.csv", options.cache)
    scenes = Scenes(sounds, options.seed)
    autoencoder = PatchAutoencoder(MEL.n_mels, PATCH, CHANNELS)
    patches = [autoencoder.patches(scenes.batch(1)[0]) for _ in range(SCENES)]
    variances = autoencoder.fit(torch.cat(patches).flatten(0, 1), WHITENING)
    sizes = {"n_mels": MEL.n_mels, "patch": PATCH, "channels": CHANNELS}
    write_tensors(options.out, autoencoder.state_dict(), sizes)
    kept = float(variances[:CHANNELS].sum() / variances.sum())
    print(f"{options.out}: {CHANNELS} components of {PATCH} frames keep {kept:.1%} of the variance")


if __name__ == "__main__":
    main()
