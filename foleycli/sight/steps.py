"""Joints of a person over time to the instants at which a foot lands.

A detector gives joints a few times a second or for every picture, with jitter, gaps and legs that
change places. A small network over time, taught by motion capture seen through virtual cameras
with a detector's faults, says how likely a foot lands at each 64th of a second. Runs in numpy.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foleycli.sight.layers import (
    Floats,
    Weights,
    gelu,
    load_weights,
    read_over_time,
    sigmoid,
    taps,
)
from foleycli.sight.sightings import Person, Sighting
from foleycli.sight.track import RATE
from foleycli.waveform.filters import slide_maximum

WEIGHTS = Path(__file__).parent.parent / "models" / "small" / "steps.safetensors"
STEP = 2  # points of the curve to a step of the network: 32 a second
SHOULDERS, HIPS, ANKLES = (5, 6), (11, 12), (15, 16)  # of COCO's 17 joints
CHANNELS = 17 * 3 + 8
SURE = 0.2  # of a joint's score: below, where it is said to be tells nothing
FEWEST = 4  # sightings of a person, less tell nothing of steps
TOGETHER = 0.14  # seconds between steps of one person, at least
LIKELY = 0.2  # of a step: chosen on the motions that were learned from
LOST = 0.8  # seconds without a look at somebody, after which steps are read anew


@dataclass(frozen=True, slots=True)
class FootStep:
    """A foot lands: when, how likely, how hard (0 to 1), and where in shares of the picture."""

    time: float
    likelihood: float
    strength: float
    x: float
    y: float


def steps_seen(sightings: Sequence[Sighting]) -> list[FootStep]:
    """The steps of everybody whose joints were seen, in order of time."""
    found: list[FootStep] = []
    for rows in by_person(sightings).values():
        times = np.array([float(sighting.time) for sighting, _ in rows])
        for part in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(times) > LOST) + 1):
            joints = np.stack([rows[i][1].joints for i in part])
            found += find_steps(times[part], joints, rows[part[0]][0].aspect)
    return sorted(found, key=lambda step: step.time)


def by_person(sightings: Sequence[Sighting]) -> dict[int, list[tuple[Sighting, Person]]]:
    """Everybody who was followed, by their number: when they were seen, and how."""
    seen: dict[int, list[tuple[Sighting, Person]]] = defaultdict(list)
    for sighting in sightings:
        for person in sighting.people:
            if person.track >= 0:
                seen[person.track].append((sighting, person))
    return dict(seen)


def find_steps(
    times: NDArray[np.floating], joints: Floats, aspect: float, weights: Weights | None = None
) -> list[FootStep]:
    """The steps of one person.

    Args:
        times: (n,) seconds at which the person was looked for, rising; any rate from 5 a second.
        joints: (n, 17, 3) COCO's joints: x and y in shares of the picture, and a score. A score
            of 0 where the joint or the person was not found.
        aspect: width of the picture over its height.
    """
    if len(times) < FEWEST or float(np.ptp(times)) < 0.4:
        return []
    points = np.arange(round(float(times[0]) * RATE), int(float(times[-1]) * RATE) + 1) / RATE
    likelihood, strength = read_steps(times, joints, aspect, points, weights)
    reach = round(TOGETHER * RATE)
    peak = likelihood >= slide_maximum(likelihood, 2 * reach + 1)
    found = np.flatnonzero(peak & (likelihood > LIKELY))
    kept = [int(i) for k, i in enumerate(found) if not k or i - found[k - 1] > reach]
    feet = joints[:, ANKLES]
    lower = np.where(feet[:, 0, 1] >= feet[:, 1, 1], 0, 1)
    lowest = feet[np.arange(len(feet)), lower]
    at = partial(np.interp, xp=times)
    return [
        FootStep(float(points[i]), float(likelihood[i]), float(strength[i]),
                 float(at(points[i], fp=lowest[:, 0])), float(at(points[i], fp=lowest[:, 1])))
        for i in kept
    ]  # fmt: skip


def read_steps(
    times: NDArray[np.floating],
    joints: Floats,
    aspect: float,
    points: NDArray[np.floating],
    weights: Weights | None = None,
) -> tuple[Floats, Floats]:
    """How likely a foot lands at each of ``points`` (64 a second), and how hard: two (n,)."""
    weights = weights or load_weights(WEIGHTS)
    grid = points[::STEP] + (STEP - 1) / (2 * RATE)
    y = gelu(taps(step_inputs(times, joints, aspect, grid), *weights.layer("gather")))
    mean = y.mean(axis=1, keepdims=True)
    y = y + weights.arrays["usual.weight"] @ mean + weights.arrays["usual.bias"][:, None]
    y = read_over_time(weights, y)
    likelihood, strength = sigmoid(y.reshape(2, STEP, -1).transpose(0, 2, 1).reshape(2, -1))
    return likelihood[: len(points)], strength[: len(points)]


def step_inputs(
    times: NDArray[np.floating], joints: Floats, aspect: float, grid: NDArray[np.floating]
) -> Floats:
    """What the network sees at the times of ``grid``: (CHANNELS, n).

    Joints from the middle of the hips and in lengths of the trunk, their scores, how the hips and
    the feet move in the picture, the size of the person and the time to the nearest sighting.
    """
    places = joints[..., :2] * np.float32([aspect, 1.0])  # pyright: ignore
    sure = joints[..., 2] > SURE
    held = np.stack(
        [_filled(times, places[:, j], sure[:, j], grid) for j in range(joints.shape[1])]
    )  # (17, n, 2)
    scores = np.stack([np.interp(grid, times, joints[:, j, 2]) for j in range(joints.shape[1])])
    hips, shoulders = held[list(HIPS)].mean(0), held[list(SHOULDERS)].mean(0)
    lengths = np.linalg.norm(shoulders - hips, axis=1)
    trunk = max(float(np.median(lengths)), 1e-3)
    around = (held - hips) / trunk
    moving = np.concatenate([hips[None], held[list(ANKLES)]])
    speeds = np.gradient(moving, axis=1) / trunk if len(grid) > 1 else np.zeros_like(moving)
    nearest = np.abs(grid[:, None] - times[None]).min(1) if len(times) else np.ones(len(grid))
    inputs = np.concatenate(
        [
            np.clip(around, -4, 4).transpose(0, 2, 1).reshape(-1, len(grid)),
            scores,
            np.clip(10 * speeds, -4, 4).transpose(0, 2, 1).reshape(-1, len(grid)),
            np.full((1, len(grid)), np.log(trunk) + 2),
            np.minimum(8 * nearest, 3)[None],
        ]
    )
    return inputs.astype(np.float32)


def _filled(
    times: NDArray[np.floating], places: Floats, sure: NDArray[np.bool_], grid: Floats
) -> Floats:
    """Places (n, 2) where they are sure, read between at the grid: (points, 2)."""
    if not sure.any():
        return np.zeros((len(grid), 2))
    return np.stack([np.interp(grid, times[sure], places[sure, k]) for k in range(2)], 1)
