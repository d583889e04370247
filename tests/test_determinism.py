"""The same seed is the same sound: to the byte in any order, to the ear on any threads."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import foleycli
from foleycli.config import GenerateConfig
from foleycli.sources.open import open_source
from tests.films import strikes, write_film

RENDER = """
import sys
import foleycli
film, folder = sys.argv[1:]
for model in ("library", "small"):
    foleycli.generate(
        film, f"{folder}/{model}.mkv", model=model, prompt="wood hit, rain", steps=8, wav=True
    )
"""


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    return [
        write_film(folder / "one.mp4", strikes([0.75, 1.75], 2.5)),
        write_film(folder / "other.mp4", strikes([0.4, 0.9, 1.2], 1.5)),
    ]


@pytest.mark.parametrize("model", ["library", "small"])
def test_the_company_of_a_clip_does_not_matter(model, films, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")  # a wave says when it was made
    config = GenerateConfig(model=model, prompt="wood hit, rain", steps=2, wav=True)

    def sounds(order, name):
        source = open_source(config)
        made = {}
        for film in order:
            out = tmp_path / f"{name}_{film.stem}.mkv"
            wav = foleycli.generate(film, out, config, source).takes[0].wav
            made[film.stem] = wav.read_bytes().replace(out.stem.encode(), film.stem.encode())
        return made

    assert sounds(films, "in turn") == sounds(films[::-1], "turned")


@pytest.mark.slow
def test_threads_change_nothing_that_can_be_heard(films, tmp_path):
    for threads in ("1", "2"):
        (tmp_path / threads).mkdir()
        # threads that spin would wait for each other where the cores are busy
        counts = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        env = {**os.environ, **counts, "OMP_WAIT_POLICY": "passive", "PYTHONPATH": str(Path.cwd())}
        command = [sys.executable, "-c", RENDER, str(films[0]), str(tmp_path / threads)]
        subprocess.run(command, env=env, check=True)
    for model in ("library", "small"):
        one, two = (soundfile.read(tmp_path / n / f"{model}.wav")[0] for n in ("1", "2"))
        assert np.abs(one).max() > 0.01
        assert np.abs(one - two).max() < 1e-3 * np.abs(one).max()  # -60 dB
