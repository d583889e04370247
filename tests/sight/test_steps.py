"""Numpy reads what torch learned; people who cannot be read have no steps."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from foleycli.sight.sightings import Person, Sighting
from foleycli.sight.steps import find_steps, read_steps, step_inputs, steps_seen
from foleycli.sight.when_net import WEIGHTS, load_net, run_net
from foleycli.train.networks import StepNet, as_weights, load_when


def joints(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 17, 3)).astype(np.float32)


def test_steps_are_read_in_numpy_as_in_torch():
    torch.manual_seed(0)
    net, times, points = StepNet(width=24), np.arange(0, 3, 0.1), np.arange(190) / 64
    likely, hard = read_steps(times, joints(30), 1.5, points, as_weights(net))
    inputs = torch.from_numpy(step_inputs(times, joints(30), 1.5, points[::2] + 0.5 / 64))
    with torch.inference_mode():
        logits, strength = net(inputs[None])
    assert likely == pytest.approx(logits.sigmoid()[0, :190].numpy(), abs=1e-5)
    assert hard == pytest.approx(strength[0, :190].numpy(), abs=1e-5)


def test_hits_are_read_in_numpy_as_in_torch():
    rng = np.random.default_rng(0)
    cells = rng.standard_normal((5, 40, 144)).astype(np.float32)
    whole = rng.standard_normal((8, 40)).astype(np.float32)
    read = run_net(load_net(), cells, whole)
    with torch.inference_mode():
        learned = load_when(WEIGHTS)(torch.from_numpy(cells)[None], torch.from_numpy(whole)[None])
    assert read[0] == pytest.approx(learned[0][0].numpy(), abs=1e-4)
    assert 1 / (1 + np.exp(-read[1])) == pytest.approx(learned[1][0].numpy(), abs=1e-5)


def test_nobody_has_no_steps():
    assert find_steps(np.array([0.0, 0.2]), joints(2), 1.5) == []


def walker(times: np.ndarray, period: float = 0.55) -> np.ndarray:
    """Somebody walks to the right: each foot swings for one period and stands for the next."""
    made = np.zeros((len(times), 17, 3), np.float32)
    made[..., 2] = 0.8
    hip = 0.2 + 0.1 * times
    for joint, height in {0: 0.46, 5: 0.5, 6: 0.5, 11: 0.57, 12: 0.57}.items():
        made[:, joint, :2] = np.stack([hip, np.full(len(times), height)], 1)
    made[:, 1:5] = made[:, :1]
    made[:, 7:11] = made[:, 11:12] - [0, 0.03, 0]
    for leg in (0, 1):
        phase = times / period + leg
        whole, part = np.floor(phase / 2) * 2, phase % 2
        swing = np.clip(part, 0, 1)
        ahead = 0.5 + whole + 2 * (swing - np.sin(2 * np.pi * swing) / (2 * np.pi))  # planted at 1
        foot = 0.2 + 0.1 * period * (ahead - leg)
        lift = 0.02 * np.sin(np.pi * swing)
        made[:, 15 + leg, :2] = np.stack([foot, 0.7 - lift], 1)
        made[:, 13 + leg, :2] = (made[:, 15 + leg, :2] + made[:, 11 + leg, :2]) / 2
        made[:, 13 + leg, 0] += 0.008 * np.sin(np.pi * swing)
    return made


def test_a_walk_has_its_steps_and_who_stands_has_none():
    times, points = np.arange(0, 5, 1 / 25), np.arange(64, 64 * 4) / 64
    walking, _ = read_steps(times, walker(times), 16 / 9, points)
    away = np.abs(points[:, None] - np.arange(1, 9) * 0.55).min(1)
    assert walking[away < 0.1].mean() > 3 * walking[away > 0.2].mean()
    still = np.repeat(walker(times[:1]), len(times), axis=0)
    assert read_steps(times, still, 16 / 9, points)[0].max() < walking.max()
    assert len(find_steps(times, still, 16 / 9)) <= 1


def test_people_are_read_one_by_one():
    times = np.arange(0, 5, 0.1)
    seen = walker(times)
    alone = find_steps(times, seen, 1.5)
    sightings = [
        Sighting(Fraction(i, 10), 1.5, people=tuple(
            Person(seen[i], 0.9, (0, 0, 1, 1), track) for track in (3, 4)))
        for i in range(len(times))
    ]  # fmt: skip
    both = steps_seen(sightings)
    assert len(both) == 2 * len(alone)
    assert [step.time for step in both[::2]] == pytest.approx([step.time for step in alone])
