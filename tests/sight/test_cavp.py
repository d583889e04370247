"""CAVP against the public implementation run on the same filled weights."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from foleycli.config import CavpConfig
from foleycli.models.filled import filled
from foleycli.sight.cavp import (
    Cavp,
    SlowOnly,
    encode_long,
    pool_time,
    unit_rows,
)

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def small_cavp() -> Cavp:
    cavp = Cavp(CavpConfig(base_channels=4), hears=False)
    cavp.load_state_dict(filled(cavp.state_dict()), strict=False)
    return cavp.eval()


def test_slow_only_matches_the_reference():
    golden = np.load(HERE / "slowonly_tiny.npz")
    encoder = SlowOnly(base_channels=8)
    encoder.load_state_dict(filled(encoder.state_dict()), strict=False)
    with torch.no_grad():
        out = encoder.eval()(torch.from_numpy(golden["in_uint8"]).float() / 255)
    np.testing.assert_allclose(out, golden["out"][..., 0, 0].transpose(0, 2, 1), atol=2e-6)


@pytest.mark.parametrize(("keys", "hears"), [("cavp_full", True), ("cavp_video", False)])
def test_names_and_shapes_are_the_public_ones(reference, keys, hears):
    shapes = json.loads((reference / "keys" / f"{keys}.json").read_text())["shapes"]
    with torch.device("meta"):
        ours = Cavp(hears=hears).state_dict()
    assert {name: list(tensor.shape) for name, tensor in ours.items()} == shapes


@pytest.mark.slow
def test_full_size_matches_the_reference(reference):
    golden = np.load(reference / "golden" / "cavp_full.npz")
    cavp = Cavp()
    cavp.load_state_dict(filled(cavp.state_dict()), strict=False)
    cavp.eval()
    seed = zlib.crc32(b"frames_224")
    frames = np.random.RandomState(seed).randint(0, 256, (2, 16, 3, 224, 224)).astype(np.uint8)
    with torch.no_grad():
        rows = cavp.encode_frames(torch.from_numpy(frames))
        small = cavp.encode_frames(torch.from_numpy(golden["in_112_uint8"]))
        heard = cavp.encode_mel(torch.from_numpy(golden["spec_in"]))
    np.testing.assert_allclose(rows, golden["out_224_unnormalised"], atol=2e-5)
    np.testing.assert_allclose(unit_rows(rows), golden["out_224"], atol=2e-6)
    np.testing.assert_allclose(pool_time(rows), golden["out_224_pooled"], atol=2e-6)
    np.testing.assert_allclose(unit_rows(small), golden["out_112"], atol=2e-6)
    np.testing.assert_allclose(unit_rows(heard), golden["spec_out"], atol=2e-6)
    np.testing.assert_allclose(pool_time(heard), golden["spec_out_pooled"], atol=2e-6)


@pytest.mark.parametrize("count", [1, 8, 9, 33, 60])
def test_a_long_film_in_chunks_is_the_film_encoded_whole(small_cavp, count):
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    chunks = list(encode_long(small_cavp, iter(frames), chunk=8))
    with torch.no_grad():
        whole = unit_rows(small_cavp.encode_frames(frames[None])[0])
    assert [len(chunk) for chunk in chunks[:-1]] == [8] * (len(chunks) - 1)
    torch.testing.assert_close(torch.cat(chunks), whole, atol=2e-6, rtol=0)
