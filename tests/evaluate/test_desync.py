"""DeSync: which pictures and sounds meet, what the network says of them, and what is kept."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from foleycli.config import SynchformerConfig
from foleycli.errors import ModelError
from foleycli.evaluate import desync as module
from foleycli.evaluate.desync import SyncJudge, desync, open_judge, two_ends
from foleycli.evaluate.material import Film, Sound
from foleycli.listeners import pulled as listeners
from foleycli.models.bundle import write_bundle
from foleycli.models.filled import filled
from foleycli.models.registry import find_model
from foleycli.sight.synchformer import OFFSETS, Synchformer
from tests.films import strikes, write_film

SMALL = SynchformerConfig(size=16, heads=2, blocks=1, picture_size=32, sync_heads=2, sync_blocks=1)


@pytest.fixture
def net():
    net = Synchformer(SMALL).eval()
    net.load_state_dict(filled(net.state_dict()))
    return net


@pytest.fixture
def judge(monkeypatch, tmp_path, net):
    """The small network, installed as the public one would be."""
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))
    model = replace(find_model("eval-synchformer"), folder=tmp_path / "model")
    tensors = {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
    write_bundle(model.folder, {"family": "listener"}, tensors, "A card.")
    monkeypatch.setattr(listeners, "find_model", lambda name: model)
    judge = SyncJudge(SMALL)
    monkeypatch.setattr(module, "open_judge", lambda: judge)
    return judge


def _noise(seconds, seed=0):
    samples = round(16_000 * seconds)
    return Sound(np.random.default_rng(seed).standard_normal(samples).astype("f4"), 16_000)


def _numbered(frames):
    return (np.full((1, 1, 3), n % 256, np.uint8) for n in range(frames))


@pytest.mark.parametrize(
    ("frames", "segments", "wanted"),
    [(0, 0, 0), (119, 13, 0), (120, 14, 14), (127, 14, 14), (128, 15, 15), (200, 24, 24),
     (250, 30, 28), (255, 30, 28), (256, 31, 28)],
)  # fmt: skip
def test_segments_of_both_ends_are_seen_once(frames, segments, wanted):
    count, chosen = two_ends(_numbered(frames))
    assert (count, len(chosen)) == (segments, wanted)
    starts = sorted({*range(14), *range(segments - 14, segments)}) if wanted else []
    for start, part in zip(starts, chosen, strict=True):
        assert [int(picture[0, 0, 0]) for picture in part] == [
            (8 * start + n) % 256 for n in range(16)
        ]


def test_it_is_the_networks_offset_at_both_ends(judge, net, tmp_path):
    film = Film(write_film(tmp_path / "film.mkv", strikes((1.0, 3.0, 5.0), 6.0)))
    sound = _noise(6)
    seen = judge.see(film)
    segments = int(seen["segments"])
    assert segments == (150 - 16) // 8 + 1
    assert seen["rows"].shape == (segments, 8, 16)
    offsets = []
    for first in (0, segments - 14):
        part = torch.from_numpy(sound.samples[5120 * first :])
        pieces = torch.stack([part[5120 * n : 5120 * n + 10_240] for n in range(14)])
        rows = torch.from_numpy(seen["rows"][first : first + 14])
        with torch.inference_mode():
            heard = net.afeat_extractor(module.segment_mel(pieces))
            offsets.append(float(OFFSETS[net(rows[None], heard[None]).argmax()]))
    assert judge(sound, film) == pytest.approx(offsets)
    assert desync(sound, film) == pytest.approx(np.abs(offsets).mean())


def test_a_sound_that_ends_early_is_filled_with_silence(judge, tmp_path):
    film = Film(write_film(tmp_path / "film.mkv", strikes((1.0,), 5.0)))
    short = _noise(4.5)
    filled_up = Sound(np.pad(short.samples, (0, 8000)), 16_000)
    assert np.array_equal(judge(short, film), judge(filled_up, film))


def test_films_under_4_8_seconds_have_none(judge, tmp_path):
    film = Film(write_film(tmp_path / "film.mkv", strikes((1.0,), 4.7)))
    assert math.isnan(desync(_noise(4.7), film))
    exact = Film(write_film(tmp_path / "exact.mkv", strikes((1.0,), 4.8, 25), 25))
    assert 0 <= desync(_noise(4.8), exact) <= 2


def test_what_was_seen_and_said_is_kept(judge, tmp_path, monkeypatch):
    film = Film(write_film(tmp_path / "film.mkv", strikes((1.0,), 5.0)))
    first = desync(_noise(5), film)
    monkeypatch.setattr(judge, "see", None)  # not asked again
    desync(_noise(5, seed=1), film)
    monkeypatch.setattr(judge, "_offset", None)
    assert desync(_noise(5), film) == first


def test_without_the_network_the_command_is_named(monkeypatch, tmp_path):
    model = replace(find_model("eval-synchformer"), folder=tmp_path / "none")
    monkeypatch.setattr(listeners, "find_model", lambda name: model)
    open_judge.cache_clear()
    with pytest.raises(ModelError, match="foley models pull eval-synchformer"):
        open_judge()
