"""Linear maps of fewer bits give what those of 32 give, nearly."""

import pytest
import torch
from torch import nn

from foleycli.latents import narrow as narrow_module
from foleycli.latents.narrow import narrow


@pytest.mark.parametrize(("bits", "error"), [(32, 0.0), (16, 0.01), (8, 0.03)])
def test_fewer_bits_are_nearly_the_same(bits, error):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 96), nn.GELU(), nn.Linear(96, 32)).requires_grad_(False)
    rows = torch.randn(2, 24, 64)
    exact = network(rows)
    narrow(network, bits)
    made = network(rows)
    assert made.dtype == torch.float32
    assert float((made - exact).norm() / exact.norm()) <= error


def test_a_cpu_without_narrow_products_keeps_32_bits(monkeypatch):
    monkeypatch.setattr(narrow_module, "fewest_bits", lambda: 32)
    network = nn.Sequential(nn.Linear(8, 8))
    narrow(network, 8)
    assert isinstance(network[0], nn.Linear)
