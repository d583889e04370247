"""Prepared films as training examples: pieces of their frames, spectrograms and features.

What `foley data prepare` wrote is drawn from in the order of a seed, an epoch after another; films
whose id has a crc32 that is a multiple of ten are held out.
"""

import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from foleycli.config import FEATURES, MelConfig
from foleycli.errors import MediaError, UsageError
from foleycli.train.prepare import Prepared, PreparedClip


class Films:
    """Draws films of a prepared folder that are long enough.

    Args:
        parts: of ``frames``, ``mels``, ``features``: what is needed.
        rows: feature rows, or frames, that a film must have.
        mel: what its spectrograms must be, if not any.

    Raises:
        UsageError: the folder was prepared without one of the parts, or for another model.
        MediaError: no film is long enough.
    """

    def __init__(
        self,
        folder: Path,
        parts: tuple[str, ...],
        rows: int = 1,
        seed: int = 0,
        mel: MelConfig | None = None,
    ) -> None:
        self.prepared = Prepared(folder, parts)
        if lacking := set(parts) - set(self.prepared.settings["parts"]):
            raise UsageError(
                f"{folder} was prepared without {', '.join(sorted(lacking))}.",
                "Prepare it again, with --parts.",
            )
        if mel and mel != self.prepared.mel:
            raise UsageError(
                f"{folder} was prepared for a model of other spectrograms.",
                "Prepare it with --model diff-foley, or the --model that is trained.",
            )
        long_enough = [
            number for number, row in enumerate(self.prepared.rows) if int(row["rows"]) >= rows
        ]
        self.heard = [number for number in long_enough if not self._is_held_out(number)]
        self.held_out = [number for number in long_enough if self._is_held_out(number)]
        if not self.heard:
            if self.held_out:
                raise MediaError(f"{folder} has held-out films only.", "Prepare more films.")
            seconds = rows / FEATURES.frame_rate
            raise MediaError(f"{folder} has no film of {seconds:g} s.", "Give longer films.")
        self.random = np.random.default_rng(seed)
        self.mel_rate = float(self.prepared.mel.frame_rate) / FEATURES.frame_rate  # frames a row

    def _is_held_out(self, number: int) -> bool:
        return zlib.crc32(self.prepared.rows[number]["id"].encode()) % 10 == 0

    def draw(self, count: int) -> list[PreparedClip]:
        """So many films, none twice where there are enough."""
        again = count > len(self.heard)
        numbers = self.random.choice(self.heard, count, replace=again)
        return [self.prepared[int(number)] for number in numbers]

    def mel_of(self, clip: PreparedClip, first: int, frames: int) -> NDArray[np.float32]:
        """(n_mels, frames) from the feature row ``first`` on; silence after the film's end."""
        assert clip.mel is not None
        start = round(first * self.mel_rate)
        piece = clip.mel[:, start : start + frames]
        return np.pad(piece, ((0, 0), (0, frames - piece.shape[1])))


def squeeze(frames: NDArray[np.uint8], size: int) -> Tensor:
    """(rows, height, width, 3) uint8 -> (rows, 3, size, size) in [0, 1]."""
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    if pictures.shape[-1] == size == pictures.shape[-2]:
        return pictures
    return F.interpolate(pictures, (size, size), mode="bilinear", antialias=True)


def window_rows(rows: NDArray[np.float32], first: int, count: int) -> NDArray[np.float32]:
    """(count, columns) from row ``first`` on; a film that ends before is repeated."""
    return rows[(first + np.arange(count)) % len(rows)]
