"""Numpy reads what torch learned; people who cannot be read have no steps."""

import numpy as np
import pytest
import torch

from foleycli.sight.steps import find_steps, read_steps, step_inputs
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
