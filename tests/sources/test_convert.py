"""Names and shapes of the public checkpoints, and what is said when a tensor is not there."""

import json

import pytest
import torch

from foleycli.config import LatentDiffusionConfig
from foleycli.errors import ModelError
from foleycli.latents.align import Alignment
from foleycli.latents.diff_foley import DiffFoley
from foleycli.sight.cavp import Cavp
from foleycli.sources.convert import SCHEDULE, from_public, public_denoiser_name, to_public

TINY = LatentDiffusionConfig(base_channels=32, context_size=64, autoencoder_channels=32)


@pytest.mark.parametrize(
    ("keys", "build"),
    [
        ("ldm_full", DiffFoley),
        ("ldm_tiny", lambda: DiffFoley(TINY)),
        ("double_guidance_classifier", Alignment),
        ("eval_classifier", lambda: Alignment(scores=True)),
        ("cavp_full", Cavp),
    ],
)
def test_names_and_shapes_are_the_public_ones(reference, keys, build):
    public = json.loads((reference / "keys" / f"{keys}.json").read_text())
    public = public.get("shapes", public)
    with torch.device("meta"):
        ours = to_public(build())
    weights = {name: shape for name, shape in public.items() if not SCHEDULE.match(name)}
    assert {name: list(tensor.shape) for name, tensor in ours.items()} == weights


def test_there_and_back_again():
    model = DiffFoley(TINY)
    found, extra = from_public(model, to_public(model))
    assert not extra
    for name, tensor in model.state_dict().items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize(
    ("ours", "public"),
    [
        ("down_blocks.2.attentions.1.norm.weight", "input_blocks.8.1.norm.weight"),
        ("down_blocks.0.downsamplers.0.conv.bias", "input_blocks.3.0.op.bias"),
        ("mid_block.resnets.1.norm2.weight", "middle_block.2.out_layers.0.weight"),
        ("up_blocks.0.upsamplers.0.conv.weight", "output_blocks.2.1.conv.weight"),
        ("up_blocks.1.upsamplers.0.conv.weight", "output_blocks.5.2.conv.weight"),
        ("up_blocks.3.resnets.2.conv_shortcut.bias", "output_blocks.11.0.skip_connection.bias"),
    ],
)
def test_denoiser_names(ours, public):
    assert public_denoiser_name(ours) == public


def test_every_tensor_that_is_wrong_is_named():
    model = DiffFoley(TINY)
    public = to_public(model)
    public.pop("cond_stage_model.pos_emb.weight")
    public["model.diffusion_model.out.2.bias"] = torch.zeros(5)
    public["model.diffusion_model.surprise"] = torch.zeros(1)
    with pytest.raises(ModelError) as error:
        from_public(model, public)
    assert "cond_stage_model.pos_emb.weight is missing" in error.value.problem
    assert "model.diffusion_model.out.2.bias has shape (5,)" in error.value.problem


def test_a_tensor_nothing_asks_for_is_named():
    model = DiffFoley(TINY)
    public = to_public(model) | {"model.surprise": torch.zeros(1), "betas": torch.zeros(1000)}
    assert from_public(model, public)[1] == ["model.surprise"]
