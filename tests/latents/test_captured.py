"""A captured function is the function, wherever it runs."""

import pytest
import torch

from foleycli.latents.captured import Captured


@pytest.mark.skipif(torch.cuda.is_available(), reason="a graph is captured there")
def test_without_a_card_the_function_is_called_as_it_is():
    captured = Captured(lambda a, b: a * b + 1)
    for value in (1.0, 2.0):
        assert torch.equal(
            captured(torch.full((3,), value), torch.tensor(2.0)), torch.full((3,), 2 * value + 1)
        )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_graph_follows_its_inputs():
    layer = torch.nn.Linear(8, 8).cuda().requires_grad_(False)
    captured = Captured(lambda rows, scale: layer(rows) * scale)
    for count in (2, 5, 2):
        rows, scale = torch.randn(count, 8).cuda(), torch.rand(()).cuda()
        torch.testing.assert_close(captured(rows, scale), layer(rows) * scale)
