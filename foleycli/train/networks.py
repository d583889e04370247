"""The networks over time that read hits and steps, as they learn; `sight/` runs them in numpy."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from foleycli.output import atomic_output
from foleycli.sight.layers import Weights, load_weights
from foleycli.sight.motion import CHANNELS, COLUMNS, ROWS
from foleycli.sight.steps import CHANNELS as JOINT_CHANNELS
from foleycli.sight.when_net import GLOBALS, GROUPS, STEP


class Block(nn.Module):
    """A residual step over time: three taps, then a mixing of channels."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.taps = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(nn.functional.gelu(self.taps(self.norm(x))))


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
        self.around = nn.Conv2d(cell_width, cell_width, 3, padding=1, groups=GROUPS)
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


class StepNet(nn.Module):
    """Joints over time to the likelihood and the strength of a step.

    Args:
        width: channels.
        dilations: steps between the taps of each block.
    """

    def __init__(
        self, width: int = 96, dilations: tuple[int, ...] = (1, 2, 4, 8, 1), taps: int = 5
    ) -> None:
        super().__init__()
        self.config = {"width": width, "dilations": list(dilations), "taps": taps}
        self.gather = nn.Conv1d(JOINT_CHANNELS, width, taps, padding=taps // 2)
        self.usual = nn.Linear(width, width)
        self.blocks = nn.ModuleList(Block(width, dilation) for dilation in dilations)
        self.head = nn.Conv1d(width, 2 * STEP, 1)

    def forward(self, joints: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, channels, steps) of `step_inputs` to two (batch, 2 * steps): logits of a step,
        and how hard it is in 0..1."""
        y = nn.functional.gelu(self.gather(joints))
        y = y + self.usual(y.mean(-1))[..., None]
        for block in self.blocks:
            y = block(y)
        y = self.head(y).unflatten(1, (2, STEP)).transpose(2, 3).flatten(2)
        return y[:, 0], y[:, 1].sigmoid()


def load_when(path: Path) -> WhenNet:
    """The network of a file of weights, to learn on from there.

    Raises:
        ModelError: the weights are not there.
    """
    held = load_weights(path)
    net = WhenNet(**held.config)
    net.load_state_dict({name: torch.from_numpy(value) for name, value in held.arrays.items()})
    return net.eval()


def as_weights(net: nn.Module) -> Weights:
    """A network that learns as `sight/` reads it."""
    arrays = {
        name: value.detach().float().cpu().numpy() for name, value in net.state_dict().items()
    }
    return Weights(net.config, arrays)  # pyright: ignore[reportArgumentType]


def save(net: nn.Module, path: Path, **facts: int) -> None:
    """Weights in half precision; sizes and what trained them in the metadata."""
    metadata = {"config": json.dumps(net.config), "trained": json.dumps(facts)}
    weights = {name: value.half().contiguous() for name, value in net.state_dict().items()}
    with atomic_output(path, overwrite=True) as beside:
        save_file(weights, beside, metadata)
