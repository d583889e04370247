"""What goes into the networks, and what comes out of those whose weights are in packages."""

import numpy as np
import pytest
import torch

from foleycli.errors import ModelError, UsageError
from foleycli.listeners import aisfx, panns, passt, vggish
from foleycli.listeners.extractors import open_extractor
from foleycli.listeners.fbank import filters
from foleycli.listeners.heard import Heard
from foleycli.models.filled import filled
from foleycli.waveform.mel import mel_filters


def test_aisfx_patches_are_two_seconds_one_apart():
    assert aisfx.mel_patches(np.zeros(44_100, np.float32)).shape == (1, 100, 96)
    assert aisfx.mel_patches(np.zeros(10 * 44_100, np.float32)).shape == (8, 100, 96)
    assert aisfx.mel_patches(np.zeros(0, np.float32)).shape == (1, 100, 96)


def test_aisfx_front_end_is_that_of_essentia():
    noise = (0.1 * np.random.default_rng(0).standard_normal(441_000)).astype(np.float32)
    # essentia 2.1b6.dev1389: Windowing, Spectrum, MelBands as aisfx calls them; frame 50
    essentia = [0.49704847, 0.49087858, 0.51280963, 0.5080698, 0.5481595, 0.49588096]
    assert aisfx.mel_patches(noise)[0, 50, :6] == pytest.approx(essentia, abs=1e-6)


def test_aisfx_tells_a_tone_from_noise():
    try:
        listen = aisfx.open_aisfx()
    except ModelError as error:
        pytest.skip(str(error))
    rng, times = np.random.default_rng(0), np.arange(88_200) / 44_100
    tone = (0.3 * np.sin(2 * np.pi * 1000 * times)).astype(np.float32)
    noises = [(0.1 * rng.standard_normal(88_200)).astype(np.float32) for _ in range(2)]
    first, second = (listen(noise).embedding for noise in noises)
    assert first.shape == (512,)
    assert np.linalg.norm(first - second) < 0.5 * np.linalg.norm(first - listen(tone).embedding)


def test_vggish_patches_lie_side_by_side_and_a_rest_is_left_out():
    assert vggish.vggish_patches(np.zeros(80_000, np.float32)).shape == (5, 96, 64)
    assert vggish.vggish_patches(np.zeros(1600, np.float32)).shape == (1, 96, 64)
    ramp = np.random.default_rng(0).standard_normal(40_000).astype(np.float32)
    assert np.array_equal(vggish.vggish_patches(ramp)[0], vggish.vggish_patches(ramp[:20_000])[0])


def test_vggish_flattens_channels_last():
    net = vggish.Vggish(narrow=16).eval()
    seen = []
    net.embeddings.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        mel = torch.randn(1, 96, 64)
        maps = net.features(mel[:, None])
        net(mel)
    assert maps.shape == (1, 32, 6, 4)
    assert torch.equal(seen[0][0, :32], maps[0, :, 0, 0])


def test_panns_hears_a_second_as_two_and_no_constant():
    second = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    mel = panns.panns_mel(second)
    assert mel.shape == (64, 201)
    assert float(mel[:, -50:].max()) == pytest.approx(-100)  # silence: 1e-10 in dB
    assert torch.allclose(panns.panns_mel(second + 0.5), mel, atol=1e-2)


def test_a_tone_lights_its_band_of_panns():
    tone = np.sin(2 * np.pi * 1000 * np.arange(48_000) / 16_000).astype(np.float32)
    band = int(panns.panns_mel(tone).mean(1).argmax())
    weights = mel_filters(panns.MEL)[:, round(1000 / 16_000 * 512)]
    assert band == int(weights.argmax())


def test_a_tone_lights_its_band_of_passt():
    tone = np.sin(2 * np.pi * 1000 * np.arange(320_000) / 32_000).astype(np.float32)
    mel = passt.passt_mel(tone[None])
    assert mel.shape == (1, 128, 1000)
    bands = filters(128, 1024, 32_000, 0, 15_000)
    assert int(mel[0].mean(1).argmax()) == int(bands[:, 32].argmax())


def test_passt_hears_where_a_patch_lies():
    torch.manual_seed(0)
    net = passt.Passt(size=32, depth=1, heads=2).eval()
    net.load_state_dict(filled(net.state_dict()))
    mel = torch.zeros(3, 128, 998)
    mel[1, :16, :16] = mel[2, -16:, :16] = 5  # low, high
    with torch.no_grad():
        embedding, logits = net(mel)
    assert embedding.shape == (3, 32) and logits.shape == (3, 527)
    assert not torch.allclose(embedding[1], embedding[2], atol=1e-3)


def test_unknown_listeners_list_the_known_ones():
    with pytest.raises(UsageError, match="yamnet, aisfx, vggish, panns, passt"):
        open_extractor("ear")


def test_scores_are_probabilities_of_logits():
    heard = Heard(np.zeros((1, 2), "f4"), np.array([[0.0, np.log(3.0)]], "f4"))
    assert heard.scores == pytest.approx(np.array([[0.5, 0.75]]))
