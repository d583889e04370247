from dataclasses import asdict

import numpy as np
import pytest
import torch

from foleycli.config import AlignmentConfig
from foleycli.errors import ModelError
from foleycli.evaluate import align_acc
from foleycli.evaluate.align_acc import OwnJudge, aligned, open_judge
from foleycli.evaluate.material import Film, Sound
from foleycli.latents.align import Alignment
from foleycli.models.filled import filled
from foleycli.sources.small import write_tensors

TINY = AlignmentConfig(base_channels=32, multipliers=(1, 2), heads=2)


@pytest.fixture
def classifier(tmp_path):
    """A file as ``foley train align`` writes it."""
    net = Alignment(TINY)
    net.load_state_dict(filled(net.state_dict()), strict=False)
    write_tensors(tmp_path / "align.safetensors", net.state_dict(), asdict(TINY))
    return tmp_path / "align.safetensors"


@pytest.fixture
def sound():
    return Sound(np.random.default_rng(0).standard_normal(160_000).astype("f4"), 16_000)


def test_own_classifier_is_its_network_at_time_zero(classifier, sound):
    judge = OwnJudge(classifier)
    rows = np.random.default_rng(1).random((32, 512)).astype(np.float32)
    probability = judge.probability(sound, rows)
    assert 0 < probability < 1
    assert probability == judge.probability(sound, rows)
    assert probability != judge.probability(sound, rows[::-1].copy())


def test_short_sounds_and_films_are_filled_up(classifier):
    judge = OwnJudge(classifier)
    rows = align_acc._window(np.ones((9, 512), np.float32))
    assert rows.shape == (32, 512)
    assert 0 < judge.probability(Sound(np.zeros(16_000, "f4"), 16_000), rows) < 1


def test_a_sound_counts_whole_or_not(monkeypatch, tmp_path, sound):
    class Sure:
        fingerprint = "x"
        at = 0.51

        def see(self, film):
            return np.zeros((40, 512), np.float32)

        def probability(self, sound, rows):
            assert rows.shape == (32, 512)
            return self.at

    judge = Sure()
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(align_acc, "open_judge", lambda name: judge)
    (tmp_path / "film").write_bytes(b"a film")
    film = Film(tmp_path / "film")
    assert aligned("align-own", sound, film) == 100
    judge.at = 0.5
    assert aligned("align-own", sound, film) == 0


def test_without_a_classifier_the_command_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("FOLEY_ALIGN", str(tmp_path / "none.safetensors"))
    open_judge.cache_clear()
    with pytest.raises(ModelError, match="foley train align"):
        open_judge("align-own")


def test_a_file_of_something_else_is_refused(tmp_path):
    write_tensors(tmp_path / "x.safetensors", {"a": torch.zeros(2)}, {"width": 2})
    with pytest.raises(ModelError, match="no classifier"):
        OwnJudge(tmp_path / "x.safetensors")
