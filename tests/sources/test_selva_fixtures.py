"""SelVA's networks against the public implementation, filled alike: what the benchmark compares,
at the small sizes whose fixtures travel with the repository; names and shapes at full size."""

import json
import sys
from pathlib import Path

import pytest
import torch

from foleycli.config import (
    BIGVGAN,
    CLIP_TEXT,
    FLOW_TRANSFORMER,
    MEL_VAE,
    SELVA_ENCODER,
    T5,
    FlowTransformerConfig,
)
from foleycli.latents.flow_transformer import FlowTransformer
from foleycli.latents.mel_vae import MelVae
from foleycli.sight.selva import SelvaEncoder, WordBlock
from foleycli.spot.clip_text import ClipText, clip_tokens
from foleycli.spot.t5 import T5Encoder
from foleycli.waveform.bigvgan import BigVgan

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "benchmarks"))
from fixtures_selva import CHECKS, FULL_VOCODER_2, VAE_44K, check_fixtures  # noqa: E402

KEYS = HERE.parents[2] / "shared" / "reference" / "selva" / "keys"
LARGE = FlowTransformerConfig(channels=40, size=896, heads=14, joint_blocks=7, fused_blocks=14)
MEDIUM = FlowTransformerConfig(channels=40, size=896, heads=14)
UNUSED = {"text_projection", "logit_scale", "decoder.learnable_gain", "encoder.learnable_gain"}


@pytest.mark.parametrize("name", [name for name in CHECKS if (HERE / "selva" / name).is_file()])
def test_every_fixture_is_within_its_tolerance(name):
    with torch.inference_mode():
        checks = list(check_fixtures(HERE / "selva", name))
    assert checks
    assert not [check for check in checks if not check.holds]


@pytest.mark.parametrize(
    ("keys", "build"),
    [
        ("video_enc_sup_5", lambda: SelvaEncoder(SELVA_ENCODER)),
        ("generator_small_16k", lambda: FlowTransformer(FLOW_TRANSFORMER)),
        ("generator_medium_44k", lambda: FlowTransformer(MEDIUM)),
        ("generator_large_44k", lambda: FlowTransformer(LARGE)),
        ("vae_16k", lambda: MelVae(MEL_VAE, encodes=True)),
        ("vae_44k", lambda: MelVae(VAE_44K, encodes=True)),
        ("bigvgan_16k", lambda: BigVgan(BIGVGAN)),
        ("bigvgan_v2_44k", lambda: BigVgan(FULL_VOCODER_2)),
        ("t5_encoder_flan_base", lambda: T5Encoder(T5)),
        ("clip_text_dfn5b_h14", lambda: ClipText(CLIP_TEXT)),
    ],
)
def test_names_and_shapes_are_the_public_ones(keys, build):
    if not KEYS.is_dir():
        pytest.skip("the lists of tensors are not beside this checkout")
    public = json.loads((KEYS / f"{keys}.json").read_text())
    with torch.device("meta"):
        ours = {name: list(tensor.shape) for name, tensor in build().state_dict().items()}
    wanted = {
        name: shape
        for name, (shape, _) in public.items()
        if name not in UNUSED and not name.endswith(".filter")
    }
    assert ours == wanted


def test_words_add_nothing_where_training_starts():
    block = WordBlock(32, 4)
    block.start_as_identity()
    places, words = torch.randn(2, 9, 32), torch.randn(2, 3, 32)
    assert torch.equal(block(places, words, None), places)


def test_a_text_that_is_mended_reads_as_the_plain_one():
    texts = ["a dog's bark", "A dog\u2019s  bark", " a dog&#39;s bark\n"]
    plain, curly, spaced = clip_tokens(texts)
    assert torch.equal(plain, curly)
    assert torch.equal(plain, spaced)
