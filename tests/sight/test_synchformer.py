"""Synchformer beside the published code: its tensors at full size, its numbers at a small one.

``synchformer_tiny.npz`` and ``synchformer_tensors.csv`` were made by v-iashin/Synchformer's own
modules, filled as `foleycli.models.filled` fills; ``benchmarks/references.py`` makes them again.
"""

import csv
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from foleycli.config import SynchformerConfig
from foleycli.models.filled import filled
from foleycli.sight.motionformer import DividedAttention
from foleycli.sight.synchformer import OFFSETS, Synchformer, htk_filters, segment_mel

TORCHAUDIO = [0.191216, 0.631178, 0.837527, 0.966906, 1.003827, 0.956185]  # bands 20 to 25
FOLDER = Path(__file__).parent
SMALL = SynchformerConfig(size=16, heads=2, blocks=1, sync_heads=2, sync_blocks=1)


@pytest.fixture(scope="module")
def net():
    net = Synchformer(SMALL).eval()
    net.load_state_dict(filled(net.state_dict()))
    return net


def test_its_tensors_are_those_of_the_published_code():
    with torch.device("meta"):
        tensors = Synchformer().state_dict()
    ours = Counter(
        (re.sub(r"\.(blocks|layer)\.\d+\.", r".\1.*.", name), "x".join(map(str, tensor.shape)))
        for name, tensor in tensors.items()
    )
    with (FOLDER / "synchformer_tensors.csv").open() as file:
        theirs = {(row["name"], row["shape"]): int(row["count"]) for row in csv.DictReader(file)}
    assert ours == theirs
    assert len(tensors) == 513
    assert sum(tensor.numel() for tensor in tensors.values()) == 237_460_245


def test_its_numbers_are_those_of_the_published_code(net):
    rng, theirs = np.random.RandomState(0), np.load(FOLDER / "synchformer_tiny.npz")
    frames = torch.from_numpy(rng.randint(0, 256, (1, 16, 3, 224, 224)).astype(np.uint8))
    mel, seen, heard = (
        torch.from_numpy(rng.standard_normal(shape).astype(np.float32))
        for shape in ((2, 128, 66), (1, 14, 8, 16), (1, 14, 6, 16))
    )
    with torch.inference_mode():
        assert net.vfeat_extractor(frames).numpy() == pytest.approx(theirs["seen"], abs=1e-5)
        assert net.afeat_extractor(mel).numpy() == pytest.approx(theirs["heard"], abs=1e-5)
        assert net(seen, heard).numpy() == pytest.approx(theirs["logits"], abs=1e-5)


@pytest.mark.parametrize(("over_time", "touched"), [(True, 8), (False, 4)])
def test_a_token_reaches_its_place_or_its_moment(over_time, touched):
    torch.manual_seed(0)
    attention = DividedAttention(8, 2).eval()
    tokens = torch.randn(1, 1 + 8 * 4, 8)
    changed = tokens.clone()
    changed[0, 1 + 4 * 3 + 2] += 1  # the fourth moment's third place
    with torch.inference_mode():
        difference = attention(changed, over_time=over_time) - attention(
            tokens, over_time=over_time
        )
    moved = difference[0].abs().amax(1) > 1e-7
    assert moved[0]  # the first token sees them all
    grid = moved[1:].view(8, 4)
    assert grid.sum() == touched
    assert grid[:, 2].all() if over_time else grid[3].all()


def test_a_segments_spectrogram_is_torchaudios():
    times = torch.arange(10_240) / 16_000
    mel = segment_mel((0.1 * torch.sin(2 * torch.pi * 440 * times))[None])
    assert mel.shape == (1, 128, 66)
    # torchaudio 2.11.0: MelSpectrogram(16000, 1024, 400, 160, n_mels=128), log(x + 1e-6), as AST
    assert mel[0, 20:26, 30].tolist() == pytest.approx(TORCHAUDIO, abs=1e-4)
    assert mel[0, :, 65].tolist() == pytest.approx([0.4670325] * 128)  # zeros after the logarithm
    silence = segment_mel(torch.zeros(1, 10_240))
    assert float(silence[0, 0, 0]) == pytest.approx((np.log(1e-6) + 4.2677393) / 9.1379948)


def test_every_band_hears_something():
    filters = htk_filters()
    assert filters.shape == (128, 513)
    assert bool((filters.sum(1) > 0).all())
    assert filters.max() <= 1


def test_offsets_are_a_fifth_of_a_second_apart():
    assert OFFSETS.tolist() == pytest.approx([-2 + 0.2 * n for n in range(21)], abs=1e-6)
