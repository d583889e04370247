"""Layers of BEATs -> 24 tokens, their windows, and one token for all (arXiv 2309.16429, 3.2).

Names of the tensors are those of the published ``learned_embeds.pth``.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foleycli.errors import ModelError

FRAMES = 24  # tokens, whatever the length
WINDOWS = (1, 2, 4, 8)  # frames to either side
NAMES = ("temp", "local1", "local2", "local3", "local4", "class")


@dataclass(frozen=True, slots=True)
class MapperConfig:
    """Sizes; the defaults are the published ones."""

    features: int = 9216
    hidden: int = 2304
    size: int = 1024


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a sound puts into the prompts of its frames."""

    temp: Tensor  # (batch, 24, size)
    locals: tuple[Tensor, ...]  # one (batch, 24, size) a window
    whole: Tensor  # (batch, size), the class token

    @property
    def names(self) -> tuple[str, ...]:
        """What the prompt calls its rows."""
        return "temp", *(f"local{n}" for n in range(1, len(self.locals) + 1)), "class"

    def rows(self) -> Tensor:
        """(batch, 24, 2 + windows, size), in the order in which the prompt names them."""
        whole = self.whole[:, None].expand_as(self.temp)
        return torch.stack([self.temp, *self.locals, whole], dim=2)


class Unary(nn.Module):
    """How much a token says by itself. The published network drops half of its units at random,
    also at inference, because a flag is missing; here none is dropped outside training."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embed = nn.Conv1d(size, size, 1)
        self.feature_reduce = nn.Conv1d(size, 1, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, size, 24) -> (batch, 24)."""
        hidden = F.dropout(F.relu(self.embed(tokens)), 0.5, self.training)
        return self.feature_reduce(hidden)[:, 0]


class Pairwise(nn.Module):
    """How much a token agrees with all: its mean cosine with them."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embed_X, self.embed_Y = nn.Conv1d(size, size, 1), nn.Conv1d(size, size, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, size, 24) -> (batch, 24)."""
        x, y = (F.normalize(layer(tokens), dim=1) for layer in (self.embed_X, self.embed_Y))
        return (x.transpose(1, 2) @ y).mean(dim=2)


class AttentivePool(nn.Module):
    """One token for all, each weighed by what it says and how it agrees (factor graph attention,
    arXiv 1904.05880)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.un_models = nn.ModuleList([Unary(size)])
        self.pp_models = nn.ModuleList([Pairwise(size)])
        self.reduce_potentials = nn.ModuleList([nn.Conv1d(2, 1, 1, bias=False)])

    def potentials(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (batch, 24, size) -> both potentials, (batch, 24) each."""
        across = tokens.transpose(1, 2)
        return self.un_models[0](across), self.pp_models[0](across)

    def weights(self, tokens: Tensor) -> Tensor:
        """(batch, 24), summing to 1."""
        stacked = torch.stack(self.potentials(tokens), dim=1)
        return self.reduce_potentials[0](stacked)[:, 0].softmax(dim=1)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, 24, size) -> (batch, size)."""
        return (self.weights(tokens)[:, :, None] * tokens).sum(dim=1)


class Mapper(nn.Module):
    """Rows of BEATs (batch, patches, features) -> `Tokens`."""

    def __init__(
        self, config: MapperConfig | None = None, windows: tuple[int, ...] = WINDOWS
    ) -> None:
        super().__init__()
        config = config or MapperConfig()
        self.config, self.windows = config, windows
        self.fc1 = nn.Linear(config.features, config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.hidden)
        self.fc3 = nn.Linear(config.hidden, config.size)
        self.fc4 = nn.Linear(config.size, config.size)
        self.fga = AttentivePool(config.size)

    def forward(self, rows: Tensor) -> Tokens:
        """Patches must divide by 24: 0.5, 1, 1.5, 2 ... seconds of sound do.

        Raises:
            ValueError: they do not.
        """
        batch, patches, _ = rows.shape
        if patches % FRAMES:
            raise ValueError(f"{patches} patches cannot be shared out to {FRAMES} frames")
        x = self.fc3(F.gelu(self.fc2(F.gelu(self.fc1(rows)))))
        x = x.view(batch, FRAMES, patches // FRAMES, -1).mean(dim=2)
        temp = self.fc4(F.gelu(x))
        return Tokens(temp, window_means(temp, self.windows), self.fga(temp))


def window_means(tokens: Tensor, windows: tuple[int, ...] = WINDOWS) -> tuple[Tensor, ...]:
    """For each window k the means of t[i - k : i + k], cut off at the ends: half-open, so that
    k = 1 is a token and the one before it."""
    frames = tokens.shape[1]
    sums = F.pad(tokens.cumsum(dim=1), (0, 0, 1, 0))
    at = torch.arange(frames, device=tokens.device)
    means = []
    for k in windows:
        low, high = (at - k).clamp(min=0), (at + k).clamp(max=frames)
        means.append((sums[:, high] - sums[:, low]) / (high - low)[:, None])
    return tuple(means)


def load_mapper(path: Path) -> Mapper:
    """Read ``learned_embeds.pth``, or what ``foley train visualize`` wrote (.safetensors).

    Raises:
        ModelError: it is another file, or cannot be read.
    """
    try:
        windows = WINDOWS
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, "pt") as file:
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                windows = tuple(json.loads((file.metadata() or {}).get("windows", "[1,2,4,8]")))
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
        hidden, features = weights["fc1.weight"].shape
        config = MapperConfig(features, hidden, weights["fc3.weight"].shape[0])
        mapper = Mapper(config, windows)
        mapper.load_state_dict(weights)
    except Exception as error:  # pickles of anything else raise anything else
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f"{path} holds no mapper of TempoTokens ({reason}).",
            "Give the published learned_embeds.pth (132 MB), or a run of foley train visualize.",
        ) from error
    return mapper.float().eval().requires_grad_(False)
