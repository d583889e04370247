"""TempoTokens with tiny weights: what it is refused without, and that the sound leads the film."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

pytest.importorskip("transformers")

from foleycli.errors import ModelError
from foleycli.listeners.beats import relative_buckets
from foleycli.models.filled import filled
from foleycli.visualize.make import visualize
from foleycli.visualize.request import Request
from foleycli.visualize.tempotokens.make import open_networks
from foleycli.visualize.tempotokens.prompts import FIRST, prompt_ids
from foleycli.visualize.tempotokens.sample import make_scheduler, per_frame, window_starts
from foleycli.visualize.tempotokens.tokens import Mapper, MapperConfig, window_means
from tests.visualize.sounds import clicks, write_wave
from tests.visualize.tiny import write_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    paths = write_weights(tmp_path_factory.mktemp("t2v"))
    return {**paths, "steps": 2, "guidance": 3.0, "device": "cpu", "generated": (64, 64)}


def pictures_of(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def test_missing_weights_are_named_with_their_sizes_and_licences(tmp_path: Path) -> None:
    sound = write_wave(tmp_path / "a.wav", clicks([0.2], 0.5))
    with pytest.raises(ModelError) as caught:
        visualize(sound, tmp_path / "a.mov", Request(way="tempotokens"))
    assert caught.value.exit_code == 4
    for fact in ("--t2v", "3.7 GB", "CC-BY-NC-4.0", "--mapper", "132 MB", "--beats", "363 MB"):
        assert fact in caught.value.problem
    assert "\n" not in caught.value.problem
    (tmp_path / "half" / "unet").mkdir(parents=True)
    half = {"t2v": tmp_path / "half", "mapper": sound, "beats": sound}
    with pytest.raises(ModelError, match="half has no vae, text_encoder, tokenizer") as caught:
        visualize(sound, tmp_path / "a.mov", Request(way="tempotokens", model=half))
    assert caught.value.exit_code == 4


def test_a_film_is_generated_by_sound_and_seed(tmp_path: Path, weights: dict[str, Any]) -> None:
    one = write_wave(tmp_path / "one.wav", clicks([0.5, 1.5], 2.5))
    other = write_wave(tmp_path / "other.wav", clicks([1.0], 2.5, seed=5) * 3)
    size = {"width": 320, "height": 180}
    made = {}
    for name, sound, seed in (("a", one, 1), ("b", one, 1), ("c", one, 2), ("d", other, 1)):
        request = Request(way="tempotokens", model=weights, seed=seed, **size)
        result = visualize(sound, tmp_path / f"{name}.mkv", request)
        made[name] = pictures_of(tmp_path / f"{name}.mkv")
    assert len(made["a"]) == 60 and "CC-BY-NC" in result.takes[0].facts["note"]
    assert np.array_equal(made["a"], made["b"])
    assert not np.array_equal(made["a"], made["c"])
    assert not np.array_equal(made["a"], made["d"])
    assert "CC-BY-NC" in (tmp_path / "a.visualize.json").read_text()


def test_words_stand_around_the_tokens_and_give_way_to_them(weights: dict[str, Any]) -> None:
    tokenizer = open_networks(weights).tokenizer
    both = prompt_ids(tokenizer, "dog")[0].tolist()
    assert both[0] == 49_406 and both.index(FIRST) > 3
    assert [one for one in both if one >= FIRST] == list(range(FIRST, FIRST + 6))
    only_words = prompt_ids(tokenizer, "dog", audio=False)[0]
    assert only_words.max() < FIRST
    long = prompt_ids(tokenizer, "dog " * 80)[0].tolist()
    assert len(long) == 77 and [one for one in long if one >= FIRST][-1] == FIRST + 5


def test_one_prompt_for_all_frames_is_what_the_stock_network_does(weights: dict[str, Any]) -> None:
    unet = open_networks(weights).unet
    x, prompt = torch.randn(1, 4, 5, 8, 8), torch.randn(1, 77, 32)
    with torch.no_grad():
        stock = unet(x, 300, encoder_hidden_states=prompt).sample
        with per_frame(unet, prompt.expand(5, -1, -1)):
            ours = unet(x, 300, encoder_hidden_states=prompt).sample
        with per_frame(unet, torch.randn(5, 77, 32)):
            different = unet(x, 300, encoder_hidden_states=prompt).sample
        after = unet(x, 300, encoder_hidden_states=prompt).sample
    assert torch.equal(stock, ours) and torch.equal(stock, after)
    assert not torch.allclose(stock, different, atol=1e-3)


def test_windows_are_half_open_and_look_back() -> None:
    tokens = torch.arange(24.0)[None, :, None]
    one, two, _, eight = window_means(tokens)
    assert one[0, :3, 0].tolist() == [0, 0.5, 1.5]
    assert two[0, 23, 0] == (21 + 22 + 23) / 3
    assert eight[0, 10, 0] == np.mean(range(2, 18))


def test_the_pooled_token_is_the_same_every_time_it_is_asked() -> None:
    mapper = Mapper(MapperConfig(144, 40, 32))
    mapper.load_state_dict(filled(mapper.state_dict()))
    mapper.eval()
    rows = torch.randn(1, 96, 144)
    assert torch.equal(mapper(rows).whole, mapper(rows).whole)
    with pytest.raises(ValueError, match="24 frames"):
        mapper(torch.randn(1, 100, 144))


def test_positions_far_apart_share_a_bucket() -> None:
    buckets = relative_buckets(torch.tensor([-900, -79, -1, 0, 1, 79, 800, 5000]), 320, 800)
    assert buckets.tolist() == [159, 79, 1, 0, 161, 239, 319, 319]


def test_twenty_five_steps_are_those_that_were_published() -> None:
    scheduler = make_scheduler()
    scheduler.set_timesteps(25)
    assert scheduler.timesteps[:4].tolist() == [999, 959, 919, 879]
    assert scheduler.timesteps[-2:].tolist() == [80, 40]
    assert window_starts(24, 24) == [0]
    assert window_starts(60, 24) == [0, 12, 24, 36]
