"""The published network, its losses and its data, held to what was measured of them."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from foleycli.config import VISAH_TINY

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "benchmarks"))
import fixtures_visah as fixtures  # noqa: E402

REFERENCE = HERE.parents[2] / "shared" / "reference" / "visah"


@pytest.fixture
def golden():
    if not REFERENCE.is_dir():
        pytest.skip("the golden files are not beside this checkout")
    return REFERENCE


def missed(rows):
    found = list(rows)
    assert found
    return [row for row in found if not row[1] <= row[2]]


def test_names_and_shapes_are_the_checkpoints(golden):
    assert not missed(fixtures.keys(golden / "keys"))


def test_layers_alone(golden):
    with torch.inference_mode():
        assert not missed(fixtures.parts(np.load(golden / "golden" / "parts_tiny.npz")))


def test_the_whole_network_step_by_step(golden):
    with torch.inference_mode():
        file = np.load(golden / "golden" / "visah_tiny_short.npz")
        assert not missed(fixtures.network(file, VISAH_TINY, "tiny_a", 50_001, 3, 2048, 1))


@pytest.mark.slow
def test_everything_in_the_folder(golden):
    checks = list(fixtures.check_fixtures(golden))
    assert len(checks) > 100
    assert [check.fixture for check in checks if not check.holds] == []


def test_losses_and_spoiled_balances(golden):
    import json

    folder = golden / "golden"
    assert not missed(fixtures.losses(json.loads((folder / "loss_metrics.json").read_text())))
    assert not missed(fixtures.muddy(json.loads((folder / "muddy_mix.json").read_text())))


def test_published_weights_know_no_order_of_frames_and_ours_do():
    from dataclasses import replace

    sound, context = torch.randn(1, 1, 20_000), torch.randn(1, 4, 32)
    for over_frames in (False, True):
        net = fixtures.filled_net(replace(VISAH_TINY, over_frames=over_frames))
        with torch.inference_mode():
            change = (net(sound, context) - net(sound, context.flip(1))).abs().max()
        assert (change > 1e-5) == over_frames


def test_at_the_start_of_training_the_middle_is_the_identity():
    from foleycli.highlight.network import LatentModule

    module = LatentModule(VISAH_TINY)
    x = torch.randn(2, 256, 9)
    assert torch.equal(module(x, torch.randn(2, 3, 32)), x)


def test_a_silent_stem_is_not_raised_unless_the_published_way_is_asked():
    import random

    from foleycli.config import MuddyConfig
    from foleycli.highlight.muddy import muddy_stems

    speech, music = fixtures.stem("s", 44_100, 44_100, 0.9, 4, 0.1), np.zeros(44_100, np.float32)
    sfx = fixtures.stem("x", 44_100, 44_100, 0.3, 4, 0.02)
    raised = {
        muddy_stems([speech, music, sfx], 44_100, random.Random(seed), MuddyConfig()).highlight
        for seed in range(20)
    }
    assert raised == {2}
