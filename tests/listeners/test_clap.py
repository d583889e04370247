"""What goes into CLAP, and the scores of what comes out."""

import math

import numpy as np
import pytest
import torch

from foleycli.evaluate import clap_score
from foleycli.listeners import clap
from foleycli.listeners.heard import Heard
from foleycli.waveform.mel import mel_filters


def test_a_tone_lights_its_band_of_clap():
    tone = np.sin(2 * np.pi * 21 / 1024 * np.arange(480_000)).astype(np.float32)
    mel = clap.clap_mel(tone[None])
    assert mel.shape == (1, 1, 1001, 64)
    assert int(mel[0, 0, 500].argmax()) == int(mel_filters(clap.MEL)[:, 21].argmax())
    assert float(clap.clap_mel(0 * tone[None]).max()) == pytest.approx(-100)


def test_a_sound_is_repeated_as_often_as_it_fits_whole():
    sound = np.arange(12, dtype=np.float32)
    assert clap.repeated(sound[:3], 10).tolist() == [0, 1, 2] * 3
    assert clap.repeated(sound[:6], 10).tolist() == [0, 1, 2, 3, 4, 5]
    assert clap.repeated(sound, 10).tolist() == list(range(12))


def test_public_names_become_those_of_transformers():
    net = torch.nn.Module()
    layer, block = "audio_model.audio_encoder.layers.0", "attention.self"
    names = [f"{layer}.blocks.1.{block}.{part}.weight" for part in ("query", "key", "value")]
    names += [f"{layer}.blocks.1.attention.output.dense.bias", f"{layer}.downsample.norm.bias"]
    names += ["audio_model.audio_encoder.batch_norm.bias", "text_projection.linear2.bias"]
    names += [f"text_model.encoder.layer.0.{block}.query.bias"]
    net.state_dict = lambda: {name: torch.zeros(2, 6) for name in names}  # type: ignore
    qkv = torch.arange(36.0).reshape(6, 6)
    public = {
        "audio_branch.layers.0.blocks.1.attn.qkv.weight": qkv,
        "audio_branch.layers.0.blocks.1.attn.proj.bias": torch.tensor(1),
        "audio_branch.layers.0.downsample.norm.bias": torch.tensor(2),
        "audio_branch.bn0.bias": torch.tensor(3),
        "text_projection.2.bias": torch.tensor(4),
        "text_branch.encoder.layer.0.attention.self.query.bias": torch.tensor(5),
        "audio_branch.tscam_conv.bias": torch.tensor(6),
    }
    found = clap.arrange(net, public)
    assert list(found) == names
    assert torch.equal(torch.cat([found[name] for name in names[:3]]), qkv)
    assert [int(found[name]) for name in names[3:]] == [1, 2, 3, 4, 5]


def test_scores_are_cosines_and_there_is_none_without_words(monkeypatch):
    class Reader:
        def read(self, words: str) -> np.ndarray:
            return np.array([0, 1], "f4") if words == "rain" else np.array([1, 0], "f4")

    monkeypatch.setattr(clap_score, "open_extractor", lambda name: Reader())
    sound = Heard(np.array([[0, 1], [0.6, 0.8]], "f4"))  # two windows: their mean is compared
    assert clap_score.clap_score(sound, "rain") == pytest.approx(0.9 / math.hypot(0.3, 0.9))
    assert clap_score.clap_score(sound, "dog") == pytest.approx(0.3 / math.hypot(0.3, 0.9))
    assert math.isnan(clap_score.clap_score(sound, " "))
    assert clap_score.clap_audio(sound, sound) == pytest.approx(1)
