"""Make the centre of `cosy`: the mean YAMNet embedding of the training sounds, each counted once.

    python benchmarks/yamnet_mean.py SOUNDS_FOLDER -o foleycli/evaluate/yamnet_mean.npy

A sound whose crc32(file) is divisible by ten is held out, here as in every training.
"""

import argparse
import csv
import zlib
from pathlib import Path

import numpy as np

from foleycli.listeners.yamnet import yamnet
from foleycli.waveform.sound import at_loudness, read_sound


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sounds", type=Path, help="folder with sounds.csv")
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    with (options.sounds / "sounds.csv").open(newline="") as file:
        names = [row["file"] for row in csv.DictReader(file)]
    train = [name for name in names if zlib.crc32(name.encode()) % 10]
    total = np.zeros(1024)
    for name in train:
        total += yamnet()(at_loudness(read_sound(options.sounds / name))).embeddings.mean(axis=0)
    np.save(options.out, (total / len(train)).astype(np.float32))
    print(f"{options.out}: mean of {len(train)} sounds")


if __name__ == "__main__":
    main()
