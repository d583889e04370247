"""`foley train` as it is typed, and the example that trains a model from nothing."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from foleycli.cli import train
from foleycli.config import MEL, TRAINING, CavpConfig, PatchConfig
from foleycli.mux.ffmpeg import find_ffmpeg
from tests.train.films import make_prepared

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sounds(tmp_path):
    """A dozen sounds that FFmpeg makes."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    lines = ["file,class,label"]
    for n in range(12):
        expression = f"0.3*sin({200 + 300 * n}*2*PI*t)*exp(-9*t)+0.1*(2*random({n})-1)*exp(-30*t)"
        make = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"aevalsrc='{expression}':d=0.5"]
        subprocess.run([*make, str(folder / f"{n}.wav")], check=True)
        lines.append(f"{n}.wav,impact,thing {n}")
    (folder / "sounds.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def tiny(monkeypatch):
    """The tiny preset, tinier."""
    monkeypatch.setitem(train.PATCHES, "tiny", PatchConfig(channels=16, scenes=20))
    smaller = replace(TRAINING["denoiser"]["tiny"], updates=3, batch=2, width=64, depth=1)
    monkeypatch.setitem(TRAINING["denoiser"], "tiny", smaller)


def test_from_sounds_to_a_bundle_that_sounds_a_film(foley, sounds, tiny, tmp_path):
    preset = ["--preset", "tiny", "--sounds", sounds]
    assert foley("train", "autoencoder", *preset, "--out", tmp_path / "a")[0] == 0
    out = tmp_path / "run"
    denoiser = ["train", "denoiser", *preset, "--autoencoder", tmp_path / "a", "--out", out]
    assert foley(*denoiser, "--updates", 2)[0] == 0
    code, lines, said = foley(*denoiser)  # and goes on to the preset's three
    assert (code, lines) == (0, [str(out)])
    assert "denoiser 3/3" in said
    assert "updates 3 in place of 2" in said
    assert (out / "loss.csv").read_text().count("\n") == 4

    packed = ["train", "pack", "--sounds", sounds, "--run", out, "--out", tmp_path / "bundle"]
    assert foley(*packed)[1] == [f"{tmp_path / 'bundle'}: 3 updates"]
    ball = ["examples/ball.mp4", "--cues", "examples/ball.csv", "--in", "0", "--out", "1"]
    film = tmp_path / "ball.mp4"
    made = foley("gen", *ball, "--model", tmp_path / "bundle", "-o", film, "--json")
    assert made[0] == 0, made[2]
    assert film.stat().st_size > 1000
    assert json.loads(made[1][0])["model"]


def test_what_cannot_be_trained_is_said_in_two_lines(foley, sounds, tmp_path):
    out = ["--out", tmp_path / "run"]
    cases = {
        ("denoiser", "--sounds", sounds, *out): "needs --autoencoder",
        ("denoiser", "--preset", "paper", *out): "needs --data",
        ("autoencoder", "--sounds", sounds, "--updates", 3, *out): "has no updates",
        ("autoencoder", "--sounds", sounds, "--seed", -1, *out): "--seed",
        ("align", *out): "needs --sounds or --data",
        ("vocoder", "--sounds", sounds, "--preset", "large", *out): "no preset large",
        ("vocoder", "--sounds", tmp_path, *out): "no sounds.csv",
        ("vocoder", "--sounds", sounds, "--batch", 8, "--accumulate", 3, *out): "batch of 8",
        ("vocoder", "--sounds", sounds, "--device", "cuda", *out): "no CUDA",
        ("cavp", "--data", tmp_path, *out): "foley data prepare",
    }
    if torch.cuda.is_available():
        cases = {case: said for case, said in cases.items() if said != "no CUDA"}
    for case, expected in cases.items():
        code, _, said = foley("train", *case)
        assert code in (2, 3), said
        assert expected in said
        assert "Traceback" not in said


def test_an_empty_set_is_refused(foley, tmp_path):
    (tmp_path / "sounds.csv").write_text("file,class,label\n")
    code, _, said = foley("train", "vocoder", "--sounds", tmp_path, "--out", tmp_path / "run")
    assert code == 3
    assert "error:" in said


def test_cavp_is_trained_on_prepared_films(foley, tmp_path, monkeypatch):
    sizes = CavpConfig(base_channels=4, audio_channels=4, size=16)
    smaller = replace(
        TRAINING["cavp"]["small"], updates=1, batch=2, segments=2, rows=16, apart=1, picture=32,
        sizes=sizes,
    )  # fmt: skip
    monkeypatch.setitem(TRAINING["cavp"], "small", smaller)
    data = make_prepared(tmp_path / "data", MEL, count=4, rows=18)
    code, lines, said = foley("train", "cavp", "--data", data, "--out", tmp_path / "run", "--f32")
    assert code == 0, said
    assert Path(lines[0]).is_file()


@pytest.mark.slow
def test_the_example_trains_a_model_from_nothing(tmp_path):
    commands = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ffmpeg = str(find_ffmpeg())
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": commands, "FOLEY_FFMPEG": ffmpeg}
    script = ["sh", str(ROOT / "examples" / "train_tiny.sh"), str(tmp_path / "tiny"), "5"]
    subprocess.run(script, env=environment, check=True, capture_output=True)
    assert (tmp_path / "tiny" / "ball.mp4").stat().st_size > 1000
