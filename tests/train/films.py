"""A prepared folder of made-up films, as `foley data prepare` lays it out."""

import csv
import io
import json
import tarfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from foleycli.config import MelConfig
from foleycli.train.listing import SETTINGS
from foleycli.train.prepare import COLUMNS, INDEX, PARTS


def make_prepared(folder: Path, mel: MelConfig, count: int = 12, rows: int = 12) -> Path:
    """Films whose brightness, loudness and features rise and fall together."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    index = []
    with tarfile.open(folder / "shard-000000.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for number in range(count):
            offset, level = tar.offset, random.random(rows)
            frames = int(rows / 4 * mel.frame_rate)
            bands = np.interp(np.arange(frames), np.linspace(0, frames, rows), level)
            put(tar, f"{number:08d}.mel.npy", npy(np.tile(bands, (128, 1)).astype(np.float16)))
            seen = random.normal(size=(rows, 512)) * level[:, None]
            put(tar, f"{number:08d}.features.npy", npy(seen.astype(np.float32)))
            for n, value in enumerate(level):
                picture = Image.new("RGB", (48, 32), (int(255 * value), number * 10, 99))
                held = io.BytesIO()
                picture.save(held, "JPEG")
                put(tar, f"{number:08d}.{n:03d}.jpg", held.getvalue())
            size = tar.offset - offset
            index.append(
                [f"film{number}", "shard-000000.tar", offset, size, rows, rows / 4, "", ""]
            )
    with (folder / INDEX).open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *index])
    settings = {"mel": asdict(mel), "parts": PARTS}
    (folder / SETTINGS).write_text(json.dumps(settings))
    return folder


def put(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def npy(array: np.ndarray) -> bytes:
    held = io.BytesIO()
    np.save(held, array)
    return held.getvalue()
