"""What is seen of a thing that words name, on the last map of any network that sees.

Every place of the map asks the words, and rows [SUP] that are no words and draw off what is not
named (SelVA, arXiv 2512.02650, moved from its trunk to a map of 7 x 7); then the places are summed
up, each weighed by what it was answered. The network that sees and what follows the sum stay as
they are. At first all places weigh the same, so that nothing is changed: it is trained by `foley
train select`. (Zeros stand in the weighing alone: with zeros in the block of words too, as in the
published one, both wait for each other.)
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from foleycli.config import TextSelectConfig
from foleycli.errors import ModelError
from foleycli.output import atomic_output
from foleycli.sight.efficientnet import EfficientNetLite
from foleycli.sight.lite import HEAD
from foleycli.sight.selva import WordBlock

Floats = NDArray[np.float32]


class TextSelect(nn.Module):
    """Maps and words -> the sum of the places that show what is named.

    Rows [SUP] begin as small noise: as zeros, as published, they would all learn the same.
    """

    def __init__(self, config: TextSelectConfig) -> None:
        super().__init__()
        self.config = config
        size = config.size
        self.sup_text_feat = nn.Parameter(0.02 * torch.randn(config.extra_words, config.text_size))
        self.enter = nn.Sequential(nn.LayerNorm(config.channels), nn.Linear(config.channels, size))
        self.text_proj = nn.Sequential(
            nn.Linear(config.text_size, size), nn.SiLU(), nn.Linear(size, size)
        )
        self.block = WordBlock(size, config.heads)
        self.norm = nn.LayerNorm(size)
        self.weigh = nn.Linear(size, 1, bias=False)
        self.presence = nn.Linear(size, 1)
        for weight in (self.weigh.weight, self.presence.weight, self.presence.bias):
            nn.init.zeros_(weight)

    def forward(self, maps: Tensor, words: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Look for words.

        Args:
            maps: (batch, time, channels, h, w).
            words: (batch, text_size), unit vectors of whole texts.

        Returns:
            what the places add up to (batch, time, channels); their weights (batch, time, h, w),
            which sum to 1; and how surely the thing is there, (batch, time), before the sigmoid.
        """
        places = maps.flatten(3).mT  # (batch, time, places, channels)
        rows = self.enter(places.to(self.sup_text_feat.dtype)).flatten(1, 2)
        asked = self.text_proj(self._with_extra(words))
        answered = self.norm(self.block(rows, asked, None)).unflatten(1, places.shape[1:3])
        weights = self.weigh(answered).squeeze(-1).float().softmax(-1)
        seen = torch.einsum("btp,btpc->btc", weights, answered.float())
        pooled = torch.einsum("btp,btpc->btc", weights, places.float())
        presence = self.presence(seen.to(answered.dtype)).squeeze(-1).float()
        return pooled, weights.unflatten(2, maps.shape[3:]), presence

    def _with_extra(self, words: Tensor) -> Tensor:
        """Words as a text of one token, [SUP] rows before it: (batch, 1 + extra, text_size)."""
        extra = self.sup_text_feat.expand(len(words), -1, -1)
        return torch.cat([extra, words[:, None].to(extra.dtype)], 1)


class LiteEyes(nn.Module):
    """EfficientNet-lite as eyes: rows of 1280, each picture by itself."""

    channels = HEAD

    def __init__(self, network: EfficientNetLite) -> None:
        super().__init__()
        self.network = network

    def maps(self, frames: Tensor) -> Tensor:
        """(batch, time, 3, height, width) uint8 -> (batch, time, 1280, 7, 7)"""
        blocks = len(self.network.blocks)
        seen = self.network.read(frames.flatten(0, 1).permute(0, 2, 3, 1), blocks)
        return self.network.places(seen, blocks).unflatten(0, frames.shape[:2])

    def rows(self, pooled: Tensor) -> Tensor:
        """The embedding that the classifier reads is the sum itself."""
        return pooled.float()


class WordEyes:
    """Looks at pictures for words, with weights that `save_select` wrote.

    Args:
        network: whose map is asked.
        vectors: (words, 384) unit vectors of what is looked for.

    Raises:
        ModelError: the weights cannot be read, or belong to another network.
    """

    def __init__(self, weights: Path, network: EfficientNetLite, vectors: Floats) -> None:
        self._eyes = LiteEyes(network)
        self._select = load_select(weights)
        self._vectors = torch.from_numpy(np.asarray(vectors, np.float32))
        if self._select.config.channels != LiteEyes.channels:
            raise ModelError(f"{weights} belongs to another network.", "Train it with this one.")

    @torch.inference_mode()
    def look(self, frame: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """A picture (224, 224, 3) -> for each words the weights of its places (words, 7, 7), which
        sum to 1, and how surely it is there, (words,) from 0 to 1."""
        pixels = torch.tensor(frame).permute(2, 0, 1)[None, None]
        maps = self._eyes.maps(pixels).expand(len(self._vectors), -1, -1, -1, -1)
        _, weights, presence = self._select(maps, self._vectors)
        return weights[:, 0].numpy(), presence[:, 0].sigmoid().numpy()


def save_select(path: Path, select: TextSelect, facts: Mapping[str, object]) -> None:
    """Weights in half precision, their sizes and what trained them in the metadata."""
    weights = {name: value.detach().half().cpu() for name, value in select.state_dict().items()}
    about = {"sizes": json.dumps(asdict(select.config)), "trained": json.dumps(dict(facts))}
    with atomic_output(path, overwrite=True) as beside:
        save_file(weights, beside, metadata=about)


def load_select(path: Path) -> TextSelect:
    """What `save_select` wrote.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        with safe_open(path, "pt") as file:
            sizes = json.loads((file.metadata() or {})["sizes"])
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        select = TextSelect(TextSelectConfig(**sizes))
        select.load_state_dict(weights)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"{path} cannot be read: {reason}.", "Train or pull it again.") from error
    return select.eval().requires_grad_(False)
