"""A small network that reads hits and activity from what moved where; trained on rendered scenes.

First each cell of the picture is read over time by itself and with its neighbours, so that a stop
in one corner is found whatever else moves; then the strongest, the average and the most telling
cells are read together over about two seconds, where rhythm and camera show. It runs in numpy;
`train/networks.py` has the same network as it learns.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foleycli.sight.layers import (
    Weights,
    gelu,
    load_weights,
    read_over_time,
    sigmoid,
    taps,
)
from foleycli.sight.motion import CHANNELS, COLUMNS, ROWS, Floats
from foleycli.sight.stops import read_stops
from foleycli.sight.track import RATE, Track, at_points
from foleycli.waveform.filters import slide_maximum

STEP = 2  # curve points per step of the network: 32 steps a second
GLOBALS = 8  # shift right and down, scale right and down, brightness, level, span, unevenness
WEIGHTS = Path(__file__).parent.parent / "models" / "small" / "when.safetensors"
NEARBY = 6  # points: within 94 ms of an end of motion the network must see something
SEEN = 0.1  # likelihood: a third of the false hits of rendered films without hits are gone
GROUPS = 4  # in which the neighbours of a cell are read


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


def load_net(path: Path = WEIGHTS) -> Weights:
    """The trained network, read once.

    Raises:
        ModelError: the weights are not there.
    """
    return load_weights(path)


def read_weighed_stops(
    track: Track, points: NDArray[np.float64], net: Weights | None = None, seen: float = SEEN
) -> tuple[Floats, Floats]:
    """The shipped reading: ends of motion and flashes, weighed by what the network makes of them.

    On real clips each alone finds about as many onsets, and not the same ones. Where the network
    sees nothing there is no hit: whatever glides, waves or shakes ends somewhere too.

    Args:
        net: another network than the shipped one.
        seen: likelihood that the network must reach nearby.
    """
    stops, activity = read_stops(track, points)
    likelihood = read_likelihood(net or load_net(), track, points)
    usual = float(np.quantile(likelihood, 0.98)) + 0.1
    nearby = slide_maximum(likelihood, 2 * NEARBY + 1)
    return stops * (0.25 + likelihood / usual) * (nearby > seen), activity


def read_likelihood(net: Weights, track: Track, points: NDArray[np.float64]) -> Floats:
    """How likely a hit is at each of ``points`` (64 a second): (n,), 0 to 1."""
    steps = points[::STEP] + (STEP - 1) / (2 * RATE)
    return sigmoid(run_net(net, *net_inputs(track, steps))[0])[: len(points)]


def run_net(net: Weights, cells: Floats, whole: Floats) -> Floats:
    """The network of `train.networks.WhenNet`, forward.

    Args:
        cells: (5, steps, 144) of `net_inputs`.
        whole: (8, steps).

    Returns:
        (3, 2 * steps): of a hit, its strength and the activity, each before the sigmoid.
    """
    steps = whole.shape[1]
    x = gelu(_over_steps(cells, *net.layer("alone")))
    near = _pool(gelu(x + _around(x, *net.layer("around"))))
    x = gelu(_over_steps(near, *net.layer("over_time")))
    weight, bias = net.layer("telling")
    told = taps(x, weight[..., 0], bias)
    told = np.exp(told - told.max(-1, keepdims=True))
    told = (x * (told / told.sum(-1, keepdims=True))).sum(-1)
    gathered = np.concatenate([x.max(-1), x.mean(-1), told, whole])
    y = taps(gathered, *net.layer("gather"))
    weight, bias = net.layer("usual")
    y = y + (weight @ y.mean(-1) + bias)[:, None]
    y = read_over_time(net, y)
    return y.reshape(3, STEP, steps).transpose(0, 2, 1).reshape(3, -1)


def _over_steps(x: Floats, weight: Floats, bias: Floats) -> Floats:
    """Taps over the steps of every cell: (channels, steps, cells)."""
    turned = taps(x.transpose(0, 2, 1), weight[..., 0], bias)
    return np.ascontiguousarray(turned.transpose(0, 2, 1))


def _around(x: Floats, weight: Floats, bias: Floats) -> Floats:
    """Each cell with its eight neighbours, in groups of channels: (channels, steps, cells)."""
    channels, steps, _ = x.shape
    grid = np.pad(x.reshape(channels, steps, ROWS, COLUMNS), ((0, 0), (0, 0), (1, 1), (1, 1)))
    wide = channels // GROUPS
    total = np.broadcast_to(bias[:, None, None], x.shape).astype(np.float32)
    for row, column in np.ndindex(3, 3):
        part = grid[:, :, row : row + ROWS, column : column + COLUMNS].reshape(GROUPS, wide, -1)
        taken = weight[:, :, row, column].reshape(GROUPS, wide, wide) @ part
        total += taken.reshape(x.shape)
    return total


def _pool(x: Floats) -> Floats:
    """The largest of each 2 x 2 cells; a last row of its own: (channels, steps, 40)."""
    channels, steps, _ = x.shape
    grid = x.reshape(channels, steps, ROWS, COLUMNS)
    grid = np.pad(grid, ((0, 0), (0, 0), (0, ROWS % 2), (0, COLUMNS % 2)), mode="edge")
    grid = grid.reshape(channels, steps, (ROWS + 1) // 2, 2, (COLUMNS + 1) // 2, 2)
    return grid.max((3, 5)).reshape(channels, steps, -1)
