"""A small network that reads hits and activity from what moved where; trained on rendered scenes.

First each cell of the picture is read over time by itself and with its neighbours, so that a stop
in one corner is found whatever else moves; then the strongest, the average and the most telling
cells are read together over about two seconds, where rhythm and camera show.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor, nn

from foleycli.errors import ModelError
from foleycli.sight.motion import CHANNELS, COLUMNS, ROWS, Floats
from foleycli.sight.stops import read_stops
from foleycli.sight.track import RATE, Track, at_points

STEP = 2  # curve points per step of the network: 32 steps a second
GLOBALS = 8  # shift right and down, scale right and down, brightness, level, span, unevenness
WEIGHTS = Path(__file__).parent.parent / "models" / "small" / "when.safetensors"


class WhenNet(nn.Module):
    """Cells over time to hit likelihood, strength and activity.

    Args:
        cell_width: channels of the part that reads each cell.
        width: channels of the part that reads the whole picture.
        dilations: steps between the taps of each block of the second part.
    """

    def __init__(
        self,
        cell_width: int = 16,
        width: int = 96,
        dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1),
    ) -> None:
        super().__init__()
        self.config = {"cell_width": cell_width, "width": width, "dilations": list(dilations)}
        wide = 4 * cell_width // 3
        self.alone = nn.Conv2d(len(CHANNELS), cell_width, (5, 1), padding=(2, 0))
        self.around = nn.Conv2d(cell_width, cell_width, 3, padding=1, groups=4)
        self.over_time = nn.Conv2d(cell_width, wide, (5, 1), padding=(2, 0))
        self.telling = nn.Conv2d(wide, 1, 1)
        self.gather = nn.Conv1d(3 * wide + GLOBALS, width, 1)
        self.usual = nn.Linear(width, width)
        self.blocks = nn.ModuleList(Block(width, dilation) for dilation in dilations)
        self.head = nn.Conv1d(width, 3 * STEP, 1)

    def forward(self, cells: Tensor, whole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read a stretch of film.

        Args:
            cells: (batch, 5, steps, 144) of `net_inputs`.
            whole: (batch, 8, steps).

        Returns:
            Three (batch, 2 * steps): logits of a hit, strength in 0..1, activity in 0..1.
        """
        batch, _, steps, _ = cells.shape
        x = nn.functional.gelu(self.alone(cells))
        near = x.transpose(1, 2).reshape(batch * steps, -1, ROWS, COLUMNS)
        near = nn.functional.gelu(near + self.around(near))
        near = nn.functional.max_pool2d(near, 2, ceil_mode=True).flatten(2)  # 5 x 8 cells
        x = near.reshape(batch, steps, -1, near.shape[-1]).transpose(1, 2)
        x = nn.functional.gelu(self.over_time(x))
        told = (x * self.telling(x).softmax(-1)).sum(-1)
        y = self.gather(torch.cat([x.amax(-1), x.mean(-1), told, whole], 1))
        y = y + self.usual(y.mean(-1))[..., None]
        for block in self.blocks:
            y = block(y)
        y = self.head(y).reshape(batch, 3, STEP, steps).transpose(2, 3).reshape(batch, 3, -1)
        return y[:, 0], y[:, 1].sigmoid(), y[:, 2].sigmoid()


class Block(nn.Module):
    """A residual step over time: three taps, then a mixing of channels."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.taps = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(nn.functional.gelu(self.taps(self.norm(x))))


def net_inputs(track: Track, points: NDArray[np.float64]) -> tuple[Floats, Floats]:
    """What the network sees at some times: cells (5, n, 144) and whole picture (8, n)."""
    m = len(track.times)
    cells = track.cells.reshape(m, len(CHANNELS), -1).astype(np.float32)
    speed = 1 / np.maximum(30 * track.spans, 0.5)[:, None]  # pixels per 1/30 s
    seen = np.stack(
        [
            np.sqrt(cells[:, 0]),
            np.sqrt(cells[:, 1]),
            np.sign(cells[:, 2]) * np.sqrt(np.abs(cells[:, 2])),
            cells[:, 3] * speed,
            cells[:, 4] * speed,
        ],
        1,
    )
    gained = np.diff(track.levels, prepend=track.levels[:1])
    whole = np.stack(
        [
            *(track.camera[:, :4] * speed).T,
            np.sign(track.camera[:, 4]) * np.sqrt(np.abs(track.camera[:, 4])),
            np.sign(gained) * np.sqrt(np.abs(gained)),
            20 * track.spans,
            np.sqrt(np.median(cells[:, 0], axis=1)),
        ],
        1,
    ).astype(np.float32)
    cell_values = at_points(points, track.times, seen.reshape(m, -1))
    whole_values = at_points(points, track.times, whole)
    cell_values = cell_values.reshape(len(points), len(CHANNELS), -1).transpose(1, 0, 2)
    return (
        np.clip(cell_values, -6, 12).astype(np.float32),
        np.clip(whole_values.T, -6, 6).astype(np.float32),
    )


@cache
@torch.inference_mode(False)  # a student may begin from it
def load_net(path: Path = WEIGHTS) -> WhenNet:
    """The trained network, read once.

    Raises:
        ModelError: the weights are not there.
    """
    if not path.exists():
        raise ModelError(f"{path.name} is not there.", "Reinstall foleycli.")
    with safe_open(path, "pt") as file:
        net = WhenNet(**json.loads(file.metadata()["config"]))
        net.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})  # noqa: SIM118
    return net.eval()


def read_weighed_stops(
    track: Track, points: NDArray[np.float64], net: WhenNet | None = None
) -> tuple[Floats, Floats]:
    """The shipped reading: ends of motion and flashes, weighed by what the network makes of them.

    On real clips each alone finds about as many onsets, and not the same ones.

    Args:
        net: another network than the shipped one.
    """
    stops, activity = read_stops(track, points)
    likelihood = read_likelihood(net or load_net(), track, points)
    usual = float(np.quantile(likelihood, 0.98)) + 0.1
    return stops * (0.25 + likelihood / usual), activity


@torch.inference_mode()
def read_likelihood(net: WhenNet, track: Track, points: NDArray[np.float64]) -> Floats:
    """How likely a hit is at each of ``points`` (64 a second): (n,), 0 to 1."""
    steps = points[::STEP] + (STEP - 1) / (2 * RATE)
    cells, whole = net_inputs(track, steps)
    device = next(net.parameters()).device
    logits = net(*(torch.from_numpy(part)[None].to(device) for part in (cells, whole)))[0]
    return logits.sigmoid()[0].cpu().numpy()[: len(points)]
