"""A balance that was learned from a house's own delivered stems: features a second -> gains.

A small recurrent network hears how loud each stem is, what begins in it, whether somebody speaks
and what moves in the picture. ``foley train highlight`` writes its weights.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from foleycli.config import HIGHLIGHT, HighlightConfig
from foleycli.errors import ModelError
from foleycli.highlight.curves import STEMS, Span
from foleycli.highlight.levels import ONSET_RATE, STEPS, Levels, gated, hear_stems, lufs
from foleycli.highlight.picture import RATE as MOTION_RATE
from foleycli.highlight.picture import Motion, seen_effects
from foleycli.highlight.rule import finish_spans, second_edges
from foleycli.highlight.stems import Stems

FILE = "balance.safetensors"
FLOOR = -60.0  # LUFS under which a stem is as good as silent
SCALE = 10.0  # dB that are 1 to the network
COLUMNS = 3 * len(STEMS) + len(STEMS) + 5


@dataclass(frozen=True, slots=True)
class Heard:
    """One piece as the network sees it."""

    rows: NDArray[np.float32]  # (seconds, COLUMNS)
    energies: NDArray[np.float32]  # (seconds, stems), mean square


class BalanceNet(nn.Module):
    """Rows of every second to a gain of each stem."""

    def __init__(self, width: int = 96, depth: int = 2) -> None:
        super().__init__()
        self.sizes = {"width": width, "depth": depth}
        self.inwards = nn.Linear(COLUMNS, width)
        self.over_time = nn.GRU(width, width, depth, batch_first=True, bidirectional=True)
        self.outwards = nn.Linear(2 * width, len(STEMS))
        nn.init.zeros_(self.outwards.weight)
        nn.init.zeros_(self.outwards.bias)

    def forward(self, rows: Tensor) -> Tensor:
        """(batch, seconds, COLUMNS) -> dB (batch, seconds, stems)"""
        over_time, _ = self.over_time(torch.relu(self.inwards(rows)))
        return SCALE * self.outwards(over_time)


def hear(levels: Levels, edges: Sequence[Fraction], motion: Motion | None) -> Heard:
    """What the network is told of every span; without a picture its columns are 0."""
    count = len(edges) - 1
    rows = np.zeros((count, COLUMNS), np.float32)
    energies = np.zeros((count, len(STEMS)), np.float32)
    wholes = [gated(levels.energies[s]) if s in levels.energies else -np.inf for s in STEMS]
    loudest = max(max(wholes), FLOOR)
    steps = [round(edge * STEPS) for edge in edges]
    for s, stem in enumerate(STEMS):
        if stem not in levels.energies:
            rows[:, 3 * s + 1] = 1
            continue
        onsets = levels.onsets.get(stem)
        for i in range(count):
            part = levels.energies[stem][steps[i] : max(steps[i + 1], steps[i] + 1)]
            energies[i, s] = part.mean() if len(part) else 0.0
            level = float(np.maximum(lufs(float(energies[i, s])), FLOOR - 40))
            rows[i, 3 * s] = (level - loudest) / SCALE
            rows[i, 3 * s + 1] = level < FLOOR
            if onsets is not None:
                begun = onsets[int(edges[i] * ONSET_RATE) : int(edges[i + 1] * ONSET_RATE)]
                rows[i, 3 * s + 2] = begun.mean() if len(begun) else 0.0
        rows[:, 3 * len(STEMS) + s] = (max(wholes[s], FLOOR - 40) - loudest) / SCALE
    for i in range(count):
        said = levels.speech[steps[i] : max(steps[i + 1], steps[i] + 1)]
        rows[i, -5] = said.mean() if len(said) else 0.0
    rows[:, -4] = (loudest + 23) / SCALE
    if motion is not None and len(motion.onsets):
        for i in range(count):
            span = slice(int(edges[i] * MOTION_RATE), int(edges[i + 1] * MOTION_RATE))
            if len(motion.onsets[span]):
                rows[i, -3] = motion.onsets[span].max() / 20
                rows[i, -2] = motion.moving[span].mean()
        if "effects" in levels.onsets:
            follows = seen_effects(levels, motion, edges).follows
            rows[:, -1] = 0 if follows is None else follows
    return Heard(np.clip(rows, -10, 10), energies)


class LearnedBalance:
    """A network that was trained, opened."""

    def __init__(self, net: BalanceNet) -> None:
        self._net = net.eval()

    @classmethod
    def open(cls, folder: Path) -> "LearnedBalance":
        """Read the weights that ``foley train highlight`` wrote.

        Raises:
            ModelError: they are not there or do not fit.
        """
        path = folder / FILE if folder.is_dir() else folder
        try:
            with safe_open(str(path), "pt") as file:
                sizes = json.loads(file.metadata()["sizes"])
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            net = BalanceNet(**sizes)
            net.load_state_dict(weights)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ModelError(
                f"{path} holds no learned balance: {error}.",
                "Give a folder that foley train highlight wrote.",
            ) from error
        return cls(net)

    def spans(
        self, stems: Stems, motion: Motion | None, config: HighlightConfig = HIGHLIGHT
    ) -> list[Span]:
        """Gains of every second."""
        edges = second_edges(stems.duration)
        levels = hear_stems(stems, onsets=stems.names)
        heard = hear(levels, edges, motion)
        with torch.inference_mode():
            gains = self._net(torch.from_numpy(heard.rows)[None])[0].double().numpy()
        terms = {
            f"{stem} learned": gains[:, s] for s, stem in enumerate(STEMS) if stem in stems.names
        }
        return finish_spans(edges, list(stems.names), terms, config, "as learned")


def save_balance(net: BalanceNet, path: Path, **about: object) -> None:
    """Write the weights with what they are."""
    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()
    }
    metadata = {"sizes": json.dumps(net.sizes), "about": json.dumps(about, default=str)}
    save_file(weights, str(path), metadata=metadata)
