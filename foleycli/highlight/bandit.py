"""A mix taken apart into dialogue, music and effects: the network of Bandit v2.

Watcharasupat, Wu and Iroro, "Remastering Divide and Remaster" (arXiv 2407.07275), and the band
split of arXiv 2309.02539. Its weights are CC BY-SA 4.0: pulled, never shipped. Names and sizes are
those of the published checkpoint, so that it loads as it is.

A spectrogram is split into 64 bands that overlap, each becomes 128 numbers a frame; recurrent
layers run along time and along bands in turn; of every band and stem a small network gives a
complex mask, and where bands overlap their masks are averaged.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foleycli.highlight.curves import Stem
from foleycli.listeners.pulled import load_listener

NAME = "bandit-v2"
SAMPLE_RATE = 48_000  # Hz
# their names for the stems; what is left of the mix joins the last one
PUBLIC: dict[Stem, str] = {"dialogue": "speech", "music": "music", "effects": "sfx"}
SECONDS = 8.0  # of a window, as published
HOP = 4.0  # seconds from window to window; published: 1, which costs four times as much
OWN = ("band_split.", "tf_model.", "mask_estim.")  # beginnings of names of tensors
Bands = list[tuple[int, int]]
Block = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class BanditConfig:
    """Sizes; the defaults are those of the published weights."""

    bands: int = 64
    width: int = 128  # numbers a band and frame
    recurrent: int = 256  # hidden numbers of a recurrent layer, each way
    hidden: int = 512  # of the network that gives a mask
    rounds: int = 8  # along time, then along bands
    n_fft: int = 2048
    hop_length: int = 512  # samples


def musical_bands(bands: int, n_fft: int, sample_rate: int) -> Tensor:
    """Which bins each band holds, (bands, bins) of 0 and 1.

    Centres stand evenly in pitch from the first bin to half the rate; a band reaches as far up and
    down as one step of so many bands over that range.
    """
    bins = n_fft // 2 + 1
    step = sample_rate / n_fft  # Hz
    reach = 2 ** (math.log2(sample_rate / 2 / step) / bands)
    low, high = (12 * math.log2(hz / 440) + 69 for hz in (step, sample_rate / 2))
    centres = 440 * 2 ** ((np.linspace(max(0, low), high, bands) - 69) / 12)
    first = np.floor(centres / reach / step).astype(int)
    last = np.ceil(centres * reach / step).astype(int)
    held = torch.zeros(bands, bins, device="cpu")  # also where the net is built without numbers
    for band in range(bands):
        held[band, first[band] : last[band] + 1] = 1
    held[0, : first[0]] = 1
    held[-1, last[-1] + 1 :] = 1
    return held


def spans_of(held: Tensor) -> Bands:
    """First bin of each band, and the one after its last."""
    return [(int(row.nonzero()[0]), int(row.nonzero()[-1]) + 1) for row in held]


class NormFC(nn.Module):
    """A band of a frame, its real and imaginary parts, as so many numbers."""

    def __init__(self, bins: int, width: int) -> None:
        super().__init__()
        self.combined = nn.Sequential(nn.LayerNorm(2 * bins), nn.Linear(2 * bins, width))

    def forward(self, band: Tensor) -> Tensor:
        return self.combined(band)


class BandSplit(nn.Module):
    """(batch, bins, frames) complex to (batch, bands, frames, width)."""

    def __init__(self, bands: Bands, width: int) -> None:
        super().__init__()
        self.bands = bands
        self.norm_fc_modules = nn.ModuleList(NormFC(b - a, width) for a, b in bands)

    def forward(self, spectrum: Tensor) -> Tensor:
        frames = spectrum.transpose(1, 2)
        parts = [
            module(torch.view_as_real(frames[..., a:b].contiguous()).flatten(2))
            for module, (a, b) in zip(self.norm_fc_modules, self.bands, strict=True)
        ]
        return torch.stack(parts, dim=1)


class ResidualRNN(nn.Module):
    """A GRU both ways along the third axis of (batch, others, along, width), added to its input."""

    def __init__(self, width: int, recurrent: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.rnn = nn.GRU(width, recurrent, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(2 * recurrent, width)

    def forward(self, z: Tensor) -> Tensor:
        rows = self.rnn(self.norm(z).flatten(0, 1))[0]
        return z + self.fc(rows.unflatten(0, z.shape[:2]))


class Turn(nn.Module):
    """Time for bands, and bands for time."""

    def forward(self, z: Tensor) -> Tensor:
        return z.transpose(1, 2)


class SeqBand(nn.Module):
    """Along time, then along bands, so many rounds."""

    def __init__(self, config: BanditConfig) -> None:
        super().__init__()
        turns = [
            (ResidualRNN(config.width, config.recurrent), Turn()) for _ in range(2 * config.rounds)
        ]
        self.seqband = nn.Sequential(*itertools.chain.from_iterable(turns))

    def forward(self, z: Tensor) -> Tensor:
        return self.seqband(z)


class NormMLP(nn.Module):
    """The complex mask of one band: (batch, frames, width) to (batch, bins, frames)."""

    def __init__(self, bins: int, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Sequential(nn.Linear(width, hidden), nn.Tanh())
        self.output = nn.Sequential(nn.Linear(hidden, 4 * bins), nn.GLU(dim=-1))

    def forward(self, band: Tensor) -> Tensor:
        pairs = self.output(self.hidden(self.norm(band)))
        mask = torch.view_as_complex(pairs.unflatten(-1, (-1, 2)).contiguous())
        return mask.transpose(1, 2)


class MaskEstimation(nn.Module):
    """Masks of all bands, averaged where they overlap: (batch, bins, frames) complex."""

    def __init__(self, held: Tensor, bands: Bands, width: int, hidden: int) -> None:
        super().__init__()
        self.bands, self.bins = bands, held.shape[1]
        self.norm_mlp = nn.ModuleList(NormMLP(b - a, width, hidden) for a, b in bands)
        share = held / held.sum(dim=0, keepdim=True)
        for number, (a, b) in enumerate(bands):
            self.register_buffer(f"freq_weights/{number}", share[number, a:b].clone())

    def forward(self, q: Tensor) -> Tensor:
        masks = q.new_zeros(q.shape[0], self.bins, q.shape[2], dtype=torch.complex64)
        for number, ((a, b), module) in enumerate(zip(self.bands, self.norm_mlp, strict=True)):
            share = self.get_buffer(f"freq_weights/{number}").float()[:, None]
            masks[:, a:b] += module(q[:, number]) * share
        return masks


class BanditNet(nn.Module):
    """A mix (batch, samples) at 48 kHz to its stems, each (batch, samples)."""

    def __init__(self, config: BanditConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or BanditConfig()
        held = musical_bands(config.bands, config.n_fft, SAMPLE_RATE)
        bands = spans_of(held)
        self.band_split = BandSplit(bands, config.width)
        self.tf_model = SeqBand(config)
        self.mask_estim = nn.ModuleDict(
            {
                name: MaskEstimation(held, bands, config.width, config.hidden)
                for name in PUBLIC.values()
            }
        )

    def forward(self, mix: Tensor) -> dict[Stem, Tensor]:
        window = torch.hann_window(self.config.n_fft, device=mix.device)
        scale = window.square().sum().sqrt()
        spectrum = self._spectrum(mix, window) / scale
        q = self.tf_model(self.band_split(spectrum))
        return {
            stem: torch.istft(
                spectrum * self.mask_estim[name](q) * scale,
                self.config.n_fft,
                self.config.hop_length,
                window=window,
                length=mix.shape[-1],
            )
            for stem, name in PUBLIC.items()
        }

    def _spectrum(self, mix: Tensor, window: Tensor) -> Tensor:
        return torch.stft(
            mix,
            self.config.n_fft,
            self.config.hop_length,
            window=window,
            pad_mode="reflect",
            return_complex=True,
        )


def public_names(net: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published tensors by the network's names.

    The checkpoint is of a training system, whose part ``model.`` is the network; windows of its
    spectrograms lie in it too, and each layer of a mask twice, the second time under ``combined``.
    """
    named = {
        name.removeprefix("model.").replace("_orig_mod.", ""): tensor
        for name, tensor in tensors.items()
    }
    return {
        name: tensor
        for name, tensor in named.items()
        if name.startswith(OWN) and not (name.startswith("mask_estim.") and ".combined." in name)
    }


class BanditReader:
    """Dialogue and music of one channel, in step with it, at its own rate; effects are the rest.

    Windows overlap by half and fade over into each other; memory is that of one window.
    """

    def __init__(self, net: BanditNet, sample_rate: int, seconds: float = SECONDS) -> None:
        self._net = net
        self._width = round(seconds * SAMPLE_RATE)
        self._hop = round(seconds * HOP / SECONDS * SAMPLE_RATE)
        self._up = soxr.ResampleStream(sample_rate, SAMPLE_RATE, 1, dtype="float32")
        self._down = [soxr.ResampleStream(SAMPLE_RATE, sample_rate, 1, dtype="float32")
                      for _ in range(2)]  # fmt: skip
        self._fade = np.hanning(self._width + 1)[:-1].astype(np.float32)
        self._rest = np.zeros(0, np.float32)
        self._tail = np.zeros((2, 0), np.float32)  # what the last window gives to the next

    @classmethod
    def open(cls, sample_rate: int) -> "BanditReader":
        """With the weights that were pulled.

        Raises:
            ModelError: they were not, or are others.
        """
        net, _ = load_listener(NAME, BanditNet, mapped=True, arrange=public_names)
        return cls(net, sample_rate)

    def hear(self, channel: Block, last: bool = False) -> Block:
        """What is known of (dialogue, music) so far (2, samples); with ``last`` the rest of it."""
        heard = self._up.resample_chunk(np.ascontiguousarray(channel, np.float32), last=last)
        self._rest = np.concatenate([self._rest, heard])
        found = []
        while len(self._rest) >= self._width:
            found.append(self._window(self._rest[: self._width])[:, : self._hop])
            self._rest = self._rest[self._hop :]
        if last:
            found += self._end()
        parts = np.concatenate([np.zeros((2, 0), np.float32), *found], axis=1)
        pairs = zip(self._down, parts, strict=True)
        return np.stack([down.resample_chunk(part, last=last) for down, part in pairs])

    def close(self) -> None:
        """Nothing is held outside."""

    def _end(self) -> list[Block]:
        """The last windows, filled with silence, up to the last sample."""
        found = []
        while (left := len(self._rest)) > 0:
            filled = np.pad(self._rest, (0, max(0, self._width - left)))
            given = self._window(filled, last=left <= self._width)
            if left <= self._width:
                found.append(given[:, :left])
                break
            found.append(given[:, : self._hop])
            self._rest = self._rest[self._hop :]
        self._rest = np.zeros(0, np.float32)
        return found

    def _window(self, samples: Block, last: bool = False) -> Block:
        """One window's part of the sound from its beginning on, what came before it added."""
        with torch.inference_mode():
            stems = self._net(torch.from_numpy(samples.copy())[None])
        parts = torch.stack([stems["dialogue"][0], stems["music"][0]]).numpy()
        fade = self._fade.copy()
        if not self._tail.size:  # the first window fades in after nothing
            fade[: self._hop] = 1
        if last:
            fade[self._hop :] = 1
        faded = parts * fade
        faded[:, : self._tail.shape[1]] += self._tail
        self._tail = faded[:, self._hop :].copy()
        return faded
