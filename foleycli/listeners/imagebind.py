"""ImageBind's vision and audio parts (Girdhar et al. 2023, arXiv 2305.05665).

Two transformers whose class tokens end in one space. Modules carry the names and shapes of the
public weights (dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth; CC BY-NC-SA 4.0), of which the
other four senses are left out. What goes in is made by `mel_pieces` and
`look`, as av-benchmark (hkchengrex/av-benchmark) takes it.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from av import VideoFrame
from numpy.typing import NDArray
from torch import Tensor, nn

from foleycli.clip.probe import probe
from foleycli.frames.decode import decode_ticks
from foleycli.frames.resize import color_matrix
from foleycli.listeners.fbank import SAMPLE_RATE, WINDOW, fbank
from foleycli.listeners.heard import Heard
from foleycli.listeners.pulled import load_listener

SIZE = 1024  # of an embedding
SIDE, PATCH = 224, 14  # pixels of a picture, and of a patch
N_MELS, MEL_FRAMES = 128, 204  # of a spectrogram
MEL_PATCH, MEL_STRIDE = 16, 10  # of its patches, which overlap
NAME = "eval-imagebind"
RATE = Fraction(1, 2)  # pictures a second
LENGTH, PIECES = 2 * SAMPLE_RATE, 3  # samples of a piece of sound, and how many of them
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]  # of RGB: CLIP's
SPREAD = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
MEL_MEAN, MEL_SPREAD = -4.268, 9.138


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """Sizes of a transformer."""

    width: int
    blocks: int
    heads: int


VISION = Trunk(width=1280, blocks=32, heads=16)
AUDIO = Trunk(width=768, blocks=12, heads=12)


class Block(nn.Module):
    """Self-attention and two linear layers, each added to what came in.

    Args:
        extra: a learned key and value stand beside those of the tokens.
    """

    def __init__(self, width: int, heads: int, *, extra: bool) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, add_bias_kv=extra, batch_first=True)
        self.norm_1 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(width, 4 * width), act=nn.GELU(), fc2=nn.Linear(4 * width, width)
            )
        )
        self.norm_2 = nn.LayerNorm(width, eps=1e-6)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, tokens, width) -> the same"""
        normed = self.norm_1(tokens)
        tokens = tokens + self.attn(normed, normed, normed, need_weights=False)[0]
        return tokens + self.mlp(self.norm_2(tokens))


class Stem(nn.Module):
    """Patches -> tokens."""

    def __init__(self, proj: nn.Module, norm_layer: nn.Module) -> None:
        super().__init__()
        self.proj, self.norm_layer = proj, norm_layer

    def forward(self, patched: Tensor) -> Tensor:
        """(batch, channels, ...) -> (batch, patches, width)"""
        return self.norm_layer(self.proj(patched).flatten(2).transpose(1, 2))


class Preprocessor(nn.Module):
    """Tokens of the patches behind a class token, each with its place added."""

    def __init__(self, stem: Stem, patches: int, width: int) -> None:
        super().__init__()
        self.rgbt_stem = stem  # so named in the weights of both senses
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        places = nn.Parameter(torch.zeros(1, 1 + patches, width))
        self.pos_embedding_helper = nn.ParameterDict({"pos_embed": places})

    def forward(self, patched: Tensor) -> Tensor:
        """(batch, channels, ...) -> (batch, 1 + patches, width)"""
        tokens = self.rgbt_stem(patched)
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        return tokens + self.pos_embedding_helper["pos_embed"]


class ImageBind(nn.Module):
    """What a pair of pictures, and two seconds of sound, are: unit vectors of one space."""

    def __init__(self, vision: Trunk = VISION, audio: Trunk = AUDIO, size: int = SIZE) -> None:
        super().__init__()
        conv = nn.Conv3d(3, vision.width, (2, PATCH, PATCH), (2, PATCH, PATCH), bias=False)
        looking = Stem(nn.Sequential(nn.Identity(), conv), nn.Identity())
        conv = nn.Conv2d(1, audio.width, MEL_PATCH, MEL_STRIDE, bias=False)
        listening = Stem(conv, nn.LayerNorm(audio.width))
        down, along = ((n - MEL_PATCH) // MEL_STRIDE + 1 for n in (N_MELS, MEL_FRAMES))
        self.modality_preprocessors = nn.ModuleDict(
            {
                "vision": Preprocessor(looking, (SIDE // PATCH) ** 2, vision.width),
                "audio": Preprocessor(listening, down * along, audio.width),
            }
        )
        first = nn.Sequential(nn.LayerNorm(vision.width, eps=1e-6))
        self.modality_trunks = nn.ModuleDict(
            {"vision": _trunk(vision, first), "audio": _trunk(audio, nn.Identity(), extra=True)}
        )
        self.modality_heads = nn.ModuleDict(
            {"vision": _head(vision.width, size), "audio": _head(audio.width, size)}
        )

    def see(self, pictures: Tensor) -> Tensor:
        """(batch, 3, 2, 224, 224), pairs of pictures -> (batch, size)"""
        return self._embed("vision", pictures)

    def hear(self, log_mel: Tensor) -> Tensor:
        """(batch, 1, 128, 204) -> (batch, size)"""
        return self._embed("audio", log_mel)

    def _embed(self, sense: str, patched: Tensor) -> Tensor:
        tokens = self.modality_trunks[sense](self.modality_preprocessors[sense](patched))
        return F.normalize(self.modality_heads[sense](tokens[:, 0]), dim=-1)


class ImageBindListener:
    """ImageBind as it was pulled: hears a sound, sees a film.

    Raises:
        ModelError: it was not; the remedy names the command.
    """

    name = "imagebind"
    sample_rate = SAMPLE_RATE
    levelled = False

    def __init__(self, vision: Trunk = VISION, audio: Trunk = AUDIO, size: int = SIZE) -> None:
        # gigabytes: whoever only hears never reads the vision part
        self._net, self.fingerprint = load_listener(
            NAME, lambda: ImageBind(vision, audio, size), mapped=True
        )

    @torch.inference_mode()
    def __call__(self, waveform: NDArray[np.float32]) -> Heard:
        """Hear a mono waveform (samples,) at 16 kHz: three rows, each of length 1."""
        return Heard(self._net.hear(mel_pieces(waveform)).numpy())

    @torch.inference_mode()
    def see(self, path: Path) -> NDArray[np.float32]:
        """Rows of length 1, three a pair of pictures: (3 * pairs, size).

        Of a film under three seconds there is one picture, and it is its own pair.
        """
        rows = [self._net.see(torch.stack(pair, dim=2)) for pair in pairs(look(path))]
        return torch.cat(rows).numpy()


def mel_pieces(waveform: NDArray[np.float32]) -> Tensor:
    """ImageBind's input: (samples,) at 16 kHz -> (3, 1, 128, 204), spread over the sound.

    Two seconds make 198 frames; the missing ones are 0, which is loud, as published. The three
    pieces of a sound under 6 s overlap, and those of one under 2 s are the same.
    """
    samples = torch.from_numpy(waveform.astype(np.float32))
    samples = F.pad(samples, (0, max(0, WINDOW - len(samples))))
    spare = max(0, len(samples) - LENGTH)
    starts = (spare * i // (PIECES - 1) for i in range(PIECES))
    mels = torch.stack([fbank(samples[start : start + LENGTH]).T for start in starts])
    mels = F.pad(mels, (0, MEL_FRAMES - mels.shape[-1]))
    return ((mels - MEL_MEAN) / MEL_SPREAD)[:, None]


def look(path: Path) -> Iterator[Tensor]:
    """The pictures that FFmpeg's ``fps=1/2`` takes, the last before 1, 3, 5 ... s, as `crops` makes
    them upright: (3, 3, 224, 224) each."""
    clip = probe(path)
    return decode_ticks(clip, RATE, lambda frame: crops(frame, clip.rotation // 90))


def crops(frame: VideoFrame, turns: int = 0) -> Tensor:
    """Left, middle and right of a picture whose short side is 224, of one that is higher than wide
    its top, middle and bottom: (3, 3, 224, 224), normalised."""
    rgb = frame.reformat(format="rgb24", src_colorspace=color_matrix(frame)).to_ndarray()
    pixels = torch.from_numpy(np.ascontiguousarray(np.rot90(rgb, turns))).permute(2, 0, 1)[None]
    height, width = pixels.shape[2:]
    short = min(height, width)
    size = (SIDE * height // short, SIDE * width // short)
    small = F.interpolate(pixels, size, mode="bicubic", antialias=True)[0]
    normal = (small / 255 - MEAN) / SPREAD
    axis = 1 if height > width else 2
    spare = normal.shape[axis] - SIDE
    return torch.stack([normal.narrow(axis, at, SIDE) for at in (0, -(-spare // 2), spare)])


def pairs(pictures: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Each picture with the next; a single one with itself, as ImageBind takes a still."""
    last, alone = None, True
    for picture in pictures:
        if last is not None:
            yield last, picture
            alone = False
        last = picture
    if last is not None and alone:
        yield last, last


def _trunk(sizes: Trunk, first: nn.Module, *, extra: bool = False) -> nn.Module:
    blocks = (Block(sizes.width, sizes.heads, extra=extra) for _ in range(sizes.blocks))
    return nn.Sequential(OrderedDict(pre_transformer_layer=first, blocks=nn.Sequential(*blocks)))


def _head(width: int, size: int) -> nn.Module:
    return nn.Sequential(
        nn.LayerNorm(width, eps=1e-6), nn.Identity(), nn.Linear(width, size, bias=False)
    )
