"""Bandit v2: the network beside the public code's numbers, and a mix in its three parts."""

import itertools
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
import torch

from foleycli.errors import ModelError, UsageError
from foleycli.highlight.bandit import (
    SAMPLE_RATE,
    BanditConfig,
    BanditNet,
    BanditReader,
    musical_bands,
    public_names,
    spans_of,
)
from foleycli.highlight.separate import find_separator, take_apart
from foleycli.listeners.pulled import make_listener
from foleycli.models.bundle import Bundle
from foleycli.models.filled import fill_tensor
from foleycli.models.registry import find_model

TINY = BanditConfig(bands=8, rounds=2, width=16, recurrent=24, hidden=32)
# Every 4000th of 24,000 samples, as the public code (kwatcharasupat/bandit-v2, 09162fa) gives them
# at these sizes and weights; both sizes agreed to 2e-8 everywhere.
GOLDEN = {
    "dialogue": [-0.015433, -0.000778, 0.043838, -0.002877, 0.002218, -0.02031],
    "music": [-0.006821, -0.035476, 0.009054, 0.000296, 0.016661, -0.016424],
    "effects": [-0.034005, -0.028339, -0.010427, -0.016003, -0.006372, 0.026234],
}


def rnd(name, shape):
    return np.random.RandomState(crc32(name.encode())).standard_normal(shape).astype(np.float32)


@pytest.fixture(scope="module")
def net():
    net = BanditNet(TINY).eval()
    net.load_state_dict(
        {
            name: tensor if "freq_weights" in name else fill_tensor(name, tuple(tensor.shape))
            for name, tensor in net.state_dict().items()
        }
    )
    return net


def test_it_gives_the_public_codes_numbers(net):
    with torch.inference_mode():
        stems = net(torch.from_numpy(0.1 * rnd("bandit_mix", (1, 24_000))))
    for stem, expected in GOLDEN.items():
        assert stems[stem][0, ::4000].numpy() == pytest.approx(expected, abs=1e-6)


def test_it_has_as_many_numbers_as_the_checkpoint():
    with torch.device("meta"):
        net = BanditNet()
    count = sum(tensor.numel() for tensor in net.parameters())
    assert count == 37_022_688  # three times four bytes each: of the 446,680,129 of the file


def test_bands_leave_no_gap():
    bands = spans_of(musical_bands(64, 2048, SAMPLE_RATE))
    assert bands[0][0] == 0 and bands[-1][1] == 1025
    assert all(after[0] <= before[1] for before, after in itertools.pairwise(bands))


def test_a_checkpoint_becomes_a_bundle_that_the_network_loads(net, tmp_path):
    public = {f"model.{name}": tensor for name, tensor in net.state_dict().items()}
    public["model.mask_estim.speech.norm_mlp.0.combined.0.weight"] = torch.zeros(16)
    public |= {"model.stft.window": torch.zeros(2048), "inference_handler.w": torch.zeros(1)}
    torch.save({"state_dict": public, "optimizer_states": []}, tmp_path / "checkpoint-multi.ckpt")
    model = replace(find_model("bandit-v2"), folder=tmp_path / "bandit-v2")
    make_listener(model, [tmp_path / "checkpoint-multi.ckpt"])
    tensors = public_names(net, Bundle.open(model.folder).tensors("net"))
    again = BanditNet(TINY)
    again.load_state_dict(tensors)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), net.parameters(), strict=True))
    assert "BY-SA" in model.weights_licence and "BY-SA" in model.card


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_a_mix_is_the_sum_of_its_three_parts(net, rate):
    mix = np.round(0.1 * rnd("long", (rate * 3 + 17, 2)) * 2**23) / 2**23
    blocks = np.array_split(mix.astype(np.float32), 7)
    parts = list(take_apart(blocks, 2, lambda: BanditReader(net, rate, seconds=1.0)))
    whole = [np.concatenate(part) for part in zip(*parts, strict=True)]
    assert [part.shape for part in whole] == [mix.shape] * 3
    assert np.array_equal(sum(part.astype(np.float64) for part in whole), mix)


class Same(torch.nn.Module):
    """Says that all is dialogue."""

    def forward(self, mix):
        return {"dialogue": mix, "music": 0 * mix}


@pytest.mark.parametrize("samples", [10, 30_000, 48_000, 100_001])
def test_windows_join_without_a_seam(samples):
    reader = BanditReader(Same(), SAMPLE_RATE, seconds=1.0)  # type: ignore[arg-type]
    sound = rnd("seam", samples)
    found = [reader.hear(part) for part in np.array_split(sound, 3)]
    joined = np.concatenate([*found, reader.hear(np.zeros(0, np.float32), last=True)], axis=1)
    assert joined.shape[1] == samples
    assert np.allclose(joined[0], sound, atol=1e-6) and not joined[1].any()


def test_it_is_asked_for_by_a_command_where_it_is_missing():
    with pytest.raises(UsageError, match="not known"):
        find_separator("demucs")
    if find_model("bandit-v2").installed:
        pytest.skip("it is installed")
    with pytest.raises(ModelError, match="foley models pull bandit-v2"):
        find_separator("bandit-v2")
