"""The networks that judge films: what goes in, and what their public weights are called."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from foleycli.config import ClipTextConfig
from foleycli.evaluate.clipsim import Clip, openai_names
from foleycli.models.filled import filled
from foleycli.sight.c3d import C3d, c3d_pictures
from foleycli.sight.clip import ClipVision, clip_pictures
from foleycli.sight.i3d import I3d, i3d_pictures, max_same, pad_same

NARROW = 16


def films(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(shape, generator=generator) * 2 - 1


def test_same_padding_is_tensorflows() -> None:
    # 112 by 7 with stride 2: (56 - 1) * 2 + 7 - 112 = 5 zeros, two before and three behind
    padded = pad_same(torch.ones(1, 1, 1, 1, 112), (1, 1, 7), (1, 1, 2))
    assert padded.shape[-1] == 117
    assert padded[0, 0, 0, 0].tolist()[:3] == [0, 0, 1] and padded[0, 0, 0, 0, -3:].sum() == 0
    assert max_same(torch.ones(1, 1, 3, 7, 7), (3, 3, 3), (2, 2, 2)).shape[2:] == (2, 4, 4)


def test_i3d_has_the_published_shapes() -> None:
    with torch.device("meta"):
        shapes = {name: tuple(t.shape) for name, t in I3d().state_dict().items()}
    assert shapes["Conv3d_1a_7x7.conv3d.weight"] == (64, 3, 7, 7, 7)
    assert shapes["Mixed_3b.b2b.conv3d.weight"] == (32, 16, 3, 3, 3)
    assert shapes["Mixed_4f.b1b.bn.running_var"] == (320,)
    assert shapes["logits.conv3d.weight"] == (400, 1024, 1, 1, 1)
    assert (
        sum(np.prod(s) for n, s in shapes.items() if n.endswith(("weight", "bias"))) == 12_697_264
    )


def test_i3d_sees_motion_and_not_only_pictures() -> None:
    net = I3d(NARROW).eval()
    net.load_state_dict(filled(net.state_dict()), strict=False)
    brighter = torch.linspace(-1, 1, 16)[None, None, :, None, None]
    pictures = 0.1 * films(1, 3, 16, 224, 224) + brighter
    with torch.no_grad():
        logits, backward = net(pictures), net(pictures.flip(2))
    assert logits.shape == (1, 400)
    assert not torch.allclose(logits, backward, atol=1e-3)


def test_i3d_is_shown_bytes_from_minus_one_to_one() -> None:
    bytes_ = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 30, 40, 3)
    shown = i3d_pictures(bytes_)
    assert shown.shape == (3, 2, 224, 224)
    assert shown[:, 0].unique().tolist() == pytest.approx([-1])
    assert shown[:, 1].mean() == pytest.approx(1)


def test_c3d_has_the_published_shapes() -> None:
    with torch.device("meta"):
        shapes = {name: tuple(t.shape) for name, t in C3d().state_dict().items()}
    assert shapes["conv1a.weight"] == (64, 3, 3, 3, 3)
    assert shapes["conv5b.bias"] == (512,)
    assert shapes["fc6.weight"] == (4096, 512 * 4 * 4)  # 7 by 7 in twos, edges covered: 4 by 4
    assert shapes["fc8.weight"] == (101, 4096)
    assert shapes["mean"] == (3, 16, 128, 171)


def test_c3d_is_shown_blue_first_less_the_mean_film() -> None:
    net = C3d(NARROW)
    net.mean += torch.arange(171)
    red = torch.zeros(16, 50, 60, 3, dtype=torch.uint8)
    red[..., 0] = 255
    shown = net._prepared(c3d_pictures(red)[None])
    assert shown.shape == (1, 3, 16, 112, 112)
    assert shown[0, :, 5, 7, 0].tolist() == [-8, -8, 256 - 8]
    assert shown[0, 0, 0, 0, -1] == -(8 + 111)
    with torch.no_grad():
        assert net(c3d_pictures(red)[None]).shape == (1, 101)


def test_clip_is_transformers_clip() -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 2}
    config = transformers.CLIPConfig(
        text_config={**sizes, "num_attention_heads": 4, "vocab_size": 49408, "eos_token_id": 49407},
        vision_config={**sizes, "num_attention_heads": 2, "image_size": 64, "patch_size": 32},
        projection_dim=24,
    )
    theirs = transformers.CLIPModel(config).eval()
    weights = filled({n: t for n, t in theirs.state_dict().items() if "position_ids" not in n})
    theirs.load_state_dict(weights, strict=False)
    ours = Clip(
        ClipVision(32, 2, 2, side=64, patch=32, row=24),
        ClipTextConfig(size=32, heads=4, blocks=2),
        row=24,
    ).eval()
    ours.load_state_dict(openai_names(weights))
    squares = torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8)
    ids = torch.tensor([[49406, 320, 1929, 49407, *[0] * 73], [49406, 49407, *[0] * 75]])
    with torch.no_grad():
        found = theirs(input_ids=ids, pixel_values=clip_pictures(squares))
        assert torch.allclose(ours.visual(clip_pictures(squares)), found.image_embeds, atol=1e-5)
        assert torch.allclose(ours.read(ids), found.text_embeds, atol=1e-5)
    assert torch.allclose(F.normalize(found.text_embeds), found.text_embeds, atol=1e-6)
