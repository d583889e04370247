"""The mapper is trained on rendered scenes with a tiny model, stops, and goes on."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from foleycli.config import TRAINING, TempoTokensTraining
from foleycli.errors import MediaError
from foleycli.train.run import RunOptions
from foleycli.train.visualize import train
from foleycli.visualize.film import join_sound
from foleycli.visualize.sound import open_sound
from foleycli.visualize.tempotokens.noise import prompt_of
from foleycli.visualize.tempotokens.prompts import FIRST
from foleycli.visualize.tempotokens.tokens import load_mapper
from tests.films import strikes, write_film
from tests.visualize.sounds import clicks, write_wave
from tests.visualize.tiny import write_weights


def write_scene(folder: Path, name: str, times: list[float]) -> None:
    """2.1 s in which something strikes, and is heard to."""
    picture = write_film(folder.parent / f"{name}.silent.mp4", strikes(times, 2.1), 24)
    sound = write_wave(folder.parent / f"{name}.wav", clicks(times, 2.1))
    join_sound(picture, open_sound(sound), folder / f"{name}.mkv", None)


def test_a_run_learns_and_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    for n in range(3):
        write_scene(films, f"scene{n}", [0.4 + 0.2 * n, 1.3])
    paths = write_weights(tmp_path / "t2v")
    tiny = TRAINING["visualize"]["tiny"]
    assert isinstance(tiny, TempoTokensTraining)
    config = replace(tiny, updates=4, validate=2, windows=(1, 4))
    made = {}
    for name, stops in (("straight", (4,)), ("stopped", (2, 4))):
        for updates in stops:
            run = replace(config, updates=updates, cool_down=0.0)
            options = RunOptions(preset="tiny", device="cpu")
            made[name] = train(films, paths["t2v"], paths["beats"], tmp_path / name, run, options)
    one, other = (load_mapper(path) for path in made.values())
    assert one.windows == (1, 4)
    for key, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key
    with (tmp_path / "straight" / "loss.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert len(losses) == 4 and 0.5 < losses[0] < 3
    kept = list((tmp_path / "kept-visualize").glob("*.npz"))
    assert len(kept) == 3


def test_the_prompt_names_the_tokens_that_there_are(tmp_path: Path) -> None:
    from foleycli.train.visualize import open_frozen

    paths = write_weights(tmp_path / "t2v")
    frozen = open_frozen(paths["t2v"], paths["beats"], torch.device("cpu"))
    ids = prompt_of(frozen, (2,))[0].tolist()
    assert len(ids) == 77
    assert [one for one in ids if one >= FIRST] == [FIRST, FIRST + 1, FIRST + 5]


def test_silent_films_teach_nothing(tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    write_film(films / "a.mp4", strikes([0.5], 1.5), 24)
    paths = write_weights(tmp_path / "t2v")
    with pytest.raises(MediaError, match="sound"):
        train(
            films,
            paths["t2v"],
            paths["beats"],
            tmp_path / "run",
            TRAINING["visualize"]["tiny"],
            RunOptions(device="cpu"),
        )
