"""Another film's tokens are told from a film's own, where the mapper says anything."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")

from foleycli.errors import MediaError
from foleycli.evaluate import tokens
from foleycli.evaluate.tokens import judge_tokens
from foleycli.visualize.film import join_sound
from foleycli.visualize.sound import open_sound
from foleycli.visualize.tempotokens import noise
from tests.films import strikes, write_film
from tests.visualize.sounds import clicks, write_wave
from tests.visualize.tiny import write_weights


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict:
    paths = write_weights(tmp_path_factory.mktemp("t2v"))
    return {**paths, "device": "cpu", "generated": (64, 64)}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three films in which something strikes and is heard to, and the first one again."""
    folder = tmp_path_factory.mktemp("films")
    made = []
    for n in (0, 1, 2, 0):
        times = [0.2 + 0.25 * n, 0.8]
        name = f"{len(made)}"
        picture = write_film(folder / f"{name}.silent.mp4", strikes(times, 1.1), 24)
        sound = write_wave(folder / f"{name}.wav", clicks(times, 1.1, seed=n) * (1 + n))
        join_sound(picture, open_sound(sound), folder / f"{name}.mkv", None)
        made.append(folder / f"{name}.mkv")
    return made


def test_the_same_sound_is_no_other_sound(films: list[Path], model: dict) -> None:
    same = judge_tokens([films[0], films[3]], model, looks=1)
    assert (same.films, same.gap, same.low, same.high) == (2, 0.0, 0.0, 0.0)
    assert "no sign" in same.says
    differs = judge_tokens(films[:2], model, looks=1)
    assert differs.gap != 0 and differs.low <= differs.gap <= differs.high


def test_a_mapper_that_leads_is_told_from_one_that_does_not(
    films: list[Path], model: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = {}

    def led(window, time, drawn, mapper, frozen, ids, alphas):
        """A model that tells the noise by the sound that came with the pictures first."""
        own = heard.setdefault(window.latents.tobytes(), window.rows)
        return float(np.abs(own.astype(float) - window.rows).mean() + 0.1), 0.0

    monkeypatch.setattr(noise, "losses", led)
    found = judge_tokens(films[:3], model, looks=2)
    assert found.own == pytest.approx(0.1) and found.low > 0
    assert "leads the picture" in found.says and "no sign" not in found.says


def test_short_films_are_left_out_and_one_is_too_few(
    films: list[Path], model: dict, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    short = write_film(tmp_path / "short.mp4", strikes([0.2], 0.5), 24)
    with pytest.raises(MediaError, match="fewer than two"):
        judge_tokens([films[0], short], model, looks=1)
    assert "short.mp4 is left out" in caplog.text
    assert tokens.RATE == 24
