"""The full-size encoder's student, end to end with small filled weights: films to shards, teacher
to student, and the bundle through `foley gen`, a hub and back."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch

from foleycli.config import (
    TRAINING,
    CavpConfig,
    CavpDistillTraining,
    LatentDiffusionConfig,
    PrepareConfig,
)
from foleycli.errors import MediaError
from foleycli.evaluate.clipset import read_set
from foleycli.latents.diff_foley import DiffFoley
from foleycli.models.bundle import Bundle
from foleycli.models.filled import filled
from foleycli.sight.cavp import Cavp
from foleycli.sources.convert import to_public
from foleycli.sources.public import convert_checkpoints
from foleycli.train.distill import places, train
from foleycli.train.prepare import prepare
from foleycli.train.run import Run, RunOptions

PAPER = cast(CavpDistillTraining, TRAINING["distill"]["paper"])
QUICK = replace(PAPER, updates=2, batch=2, frames=4, bf16=False)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Bundle:
    folder = tmp_path_factory.mktemp("teacher")
    torch.manual_seed(0)
    sizes = LatentDiffusionConfig(base_channels=32, context_size=32, autoencoder_channels=32)
    modules = {
        "cavp": Cavp(CavpConfig(base_channels=4, audio_channels=2)),
        "diffusion": DiffFoley(sizes),
    }
    modules["cavp"].load_state_dict(filled(modules["cavp"].state_dict()), strict=False)
    files = {part: folder / f"{part}.ckpt" for part in modules}
    for part, module in modules.items():
        torch.save({"state_dict": to_public(module)}, files[part])
    return convert_checkpoints(files, folder / "bundle", "# card\n", "f32")


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("films") / "shot.mp4"
    source = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=12:d=1.5"]
    coded = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    subprocess.run(["ffmpeg", "-y", "-v", "error", *source, *coded, path], check=True)
    return path


@pytest.fixture(scope="module")
def shards(film, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("shards")
    examples = read_set(film.parent)
    assert dict(prepare(examples, out, PrepareConfig(parts=("frames",)))) == {"shot": ""}
    return out


@pytest.fixture(scope="module")
def student(teacher, shards, tmp_path_factory) -> Path:
    return train(shards, str(teacher.folder), tmp_path_factory.mktemp("run"), QUICK, RunOptions())


def test_the_paper_preset_is_the_papers():
    assert (PAPER.rate, PAPER.batch, PAPER.epochs) == (5e-4, 32, 25)
    assert (PAPER.variation, PAPER.proportion) == ("cu", 0.75)
    assert (PAPER.cinematic.smallest, PAPER.cinematic.largest) == (0.4, 0.6)


def test_only_the_video_encoder_differs(teacher, student):
    made = Bundle.open(student)
    made.verify()
    for part in ("cavp", "diffusion"):
        before, after = teacher.tensors(part), made.tensors(part)
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert before.keys() == after.keys()
        assert all(name.startswith("video_") for name in changed)
        assert bool(changed) == (part == "cavp")
    assert not [name for name in changed if "running_" in name]
    assert made.config["distilled"]["teacher"] == teacher.fingerprint


def test_a_student_of_the_whole_picture_has_nothing_to_learn(teacher, shards, tmp_path):
    config = replace(QUICK, proportion=0.0, updates=1)
    made = train(shards, str(teacher.folder), tmp_path / "run", config, RunOptions())
    line = (tmp_path / "run" / "loss.csv").read_text().splitlines()[1]
    assert float(line.split(",")[1]) == pytest.approx(0, abs=1e-6)
    assert made.is_dir()


def test_a_run_that_stopped_ends_as_one_that_did_not(teacher, shards, student, tmp_path):
    for updates in (1, 2):
        config = replace(QUICK, updates=updates)
        path = train(shards, str(teacher.folder), tmp_path / "run", config, RunOptions())
    whole, resumed = Bundle.open(student).tensors("cavp"), Bundle.open(path).tensors("cavp")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_processes_share_out_shards_in_one_order_that_goes_on():
    def drawn(world: int, accumulate: int, updates: range) -> list[list[tuple[int, int]]]:
        config = SimpleNamespace(batch=8)
        share = 8 // (world * accumulate)
        return [
            sorted(
                place
                for rank in range(world)
                for part in range(accumulate)
                for place in places(
                    cast(
                        Run,
                        SimpleNamespace(
                            config=config, done=done, rank=rank, world=world, share=share
                        ),
                    ),
                    part,
                    5,
                )
            )
            for done in updates
        ]

    alone = drawn(1, 1, range(6))
    assert [place for update in alone for place in update] == [divmod(n, 5) for n in range(48)]
    for world, accumulate in ((2, 1), (1, 4), (4, 2)):
        assert drawn(world, accumulate, range(6)) == alone
        assert drawn(world, accumulate, range(3, 6)) == alone[3:]  # it stopped after three


@pytest.mark.slow
def test_torchrun_goes_on_with_the_shards_where_it_stopped(teacher, shards, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--no-python",
               "--nproc-per-node", "2", "--", sys.executable, "-m", "foleycli.cli.main", "train",
               "distill", "--preset", "paper", "--data", str(shards), "--model",
               str(teacher.folder), "--batch", "2", "--f32", "--device", "cpu",
               "--quiet"]  # fmt: skip
    for out, updates in (("whole", 2), ("parts", 1), ("parts", 2)):
        asked = [*command, "--updates", str(updates), "--out", str(tmp_path / out)]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    whole, parts = (
        Bundle.open(tmp_path / out / "bundle").tensors("cavp") for out in ("whole", "parts")
    )
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_folders_without_shards_are_named(teacher, tmp_path):
    with pytest.raises(MediaError, match="foley data prepare"):
        train(tmp_path, str(teacher.folder), tmp_path / "run", QUICK, RunOptions())


def foley(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "foleycli.cli.main", *map(str, words)]
    environment = os.environ | {"HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_it_sounds_a_clip_and_is_pushed_and_pulled(hub, student, film, tmp_path):
    pushed = foley("models", "push", student, "me/student")
    assert pushed.returncode == 0, pushed.stderr
    pulled = foley("models", "pull", "hub:me/student", "--json")
    assert pulled.returncode == 0, pulled.stderr
    assert json.loads(pulled.stdout)["sha256"] == Bundle.open(student).fingerprint
    waves = []
    for name in (student, "hub:me/student"):
        out = tmp_path / f"{len(waves)}.mkv"
        made = foley("gen", film, "-o", out, "--model", name, "--steps", "1", "--wav")
        assert made.returncode == 0, made.stderr
        waves.append(out.with_suffix(".wav").read_bytes()[-48_000:])
    assert waves[0] == waves[1]
