"""How typical a recording is of its class, by ear: for cleaning a bank, not for using one.

Labels taken from file names are wrong about once in ten. Neighbours in the sound-effect embedding
of `aisfx` (Gonzalez et al., ISMIR 2022; MIT; weights in the package, ``pip install --no-deps
aisfx``) vote on each recording's class. YAMNet, which judges the results elsewhere, has no say.
"""

import itertools
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foleycli.errors import ModelError
from foleycli.library.level import SAMPLE_RATE, Samples

RATE, N_FFT, HOP, BANDS, FRAMES = 44_100, 2048, 1024, 96, 100  # the embedding's own settings
LOG_MAX = 9.457798957824707  # largest log-mel value of the embedding's training data
NEIGHBOURS = 12
# The published file counts its classes in numpy integers, named as numpy 1 named them.
_NUMPY_SCALARS = [
    (np.int64(0).__reduce__()[0], "numpy.core.multiarray.scalar"),
    np.dtype,
    np.dtypes.Int64DType,
]


class Ear:
    """The `aisfx` network: two seconds of sound -> 512 numbers."""

    def __init__(self) -> None:
        spec = find_spec("aisfx")
        if spec is None or spec.origin is None:
            raise ModelError(
                "Cleaning a bank needs the sound embedding of aisfx.",
                "Run `pip install --no-deps aisfx`, or build without --clean.",
            )
        weights = Path(spec.origin).parent / "models" / "checkpoint.pth"
        with torch.serialization.safe_globals(_NUMPY_SCALARS):
            state, _ = torch.load(weights, map_location="cpu", weights_only=True)
        self.net = _network()
        self.net.load_state_dict(
            {k.removeprefix("embedding_net."): v for k, v in state.items() if "embedding_net" in k}
        )
        self.net.eval()
        self.filters = _mel_filters()

    @torch.inference_mode()
    def embed(self, samples: Samples) -> NDArray[np.float32]:
        """Embed the first 2.3 s of (samples,) mono at 48 kHz: (512,) of unit length."""
        spectrogram = self._spectrogram(samples)
        embedding = self.net(spectrogram[None, None])[0].mean(dim=2).amax(dim=1)
        return nn.functional.normalize(embedding, dim=0).numpy()

    def _spectrogram(self, samples: Samples) -> Tensor:
        wanted = FRAMES * HOP + N_FFT
        heard = soxr.resample(samples[: int(wanted * SAMPLE_RATE / RATE) + 1], SAMPLE_RATE, RATE)
        heard = heard / max(float(np.abs(heard).max(initial=0)), 1e-6)
        padded = torch.zeros(wanted)
        padded[: len(heard)] = torch.from_numpy(heard[:wanted])
        windows = padded.unfold(0, N_FFT, HOP)[:FRAMES] * torch.hann_window(N_FFT)
        power = torch.fft.rfft(windows).abs().square()
        return torch.log10(power @ self.filters * 10_000 + 1) / LOG_MAX


def typicality(
    embeddings: NDArray[np.float32], classes: list[str], groups: list[str]
) -> NDArray[np.float32]:
    """How much more a recording's neighbours are of its own class than chance would have it.

    Args:
        embeddings: (n, 512) unit rows.
        classes: n names.
        groups: n names; recordings of one group (cut from one file) are no neighbours.

    Returns:
        (n,) shares in [0, 1]: similarity-weighted votes for the own class, each class's votes
        divided by the square root of its size, so that a big class does not win by its size.
    """
    names, class_of = np.unique(classes, return_inverse=True)
    _, group_of = np.unique(groups, return_inverse=True)
    size = np.sqrt(np.bincount(class_of))
    shares = np.zeros(len(classes), np.float32)
    for row, embedding in enumerate(embeddings):
        likeness = embeddings @ embedding
        likeness[group_of == group_of[row]] = -1
        near = np.argpartition(-likeness, NEIGHBOURS)[:NEIGHBOURS]
        votes = (
            np.bincount(
                class_of[near], np.exp(12 * (likeness[near] - likeness[near].max())), len(names)
            )
            / size
        )
        shares[row] = votes[class_of[row]] / votes.sum()
    return shares


def _network() -> nn.Sequential:
    """Four blocks of two 3x3 convolutions; names match the published weights."""
    blocks = nn.Sequential()
    sizes = (1, 64, 128, 256, 512)
    for index, (before, after) in enumerate(itertools.pairwise(sizes), start=1):
        block = nn.Sequential()
        block.add_module("conv1", nn.Conv2d(before, after, 3, padding=1, bias=False))
        block.add_module("bn1", nn.BatchNorm2d(after))
        block.add_module("relu1", nn.ReLU())
        block.add_module("conv2", nn.Conv2d(after, after, 3, padding=1, bias=False))
        block.add_module("bn2", nn.BatchNorm2d(after))
        block.add_module("relu2", nn.ReLU())
        block.add_module("pool", nn.MaxPool2d(2 if index < 4 else 1))
        blocks.add_module(f"conv_block{index}", block)
    return blocks


def _mel_filters() -> Tensor:
    """(N_FFT / 2 + 1, BANDS) triangles on the HTK mel scale, each summing to 1."""
    bins = np.linspace(0, RATE / 2, N_FFT // 2 + 1)
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling))
    return torch.from_numpy(triangles / np.maximum(triangles.sum(0), 1e-9)).float()
