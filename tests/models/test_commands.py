"""`foley models pull|verify|convert|push|remove` as a person types them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from foleycli.config import CavpConfig, LatentDiffusionConfig
from foleycli.latents.diff_foley import DiffFoley
from foleycli.sight.cavp import Cavp
from foleycli.sources.convert import to_public

SIZES = LatentDiffusionConfig(base_channels=32, context_size=32, autoencoder_channels=32)


def foley(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "foleycli.cli.main", "models", *map(str, words)]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def checkpoints(tmp_path) -> Path:
    folder = tmp_path / "public"
    folder.mkdir()
    cavp = to_public(Cavp(CavpConfig(base_channels=4, audio_channels=2)))
    torch.save({"state_dict": cavp}, folder / "cavp_epoch66.ckpt")
    torch.save({"state_dict": to_public(DiffFoley(SIZES))}, folder / "ldm_epoch240.ckpt")
    return folder


def test_from_checkpoints_to_the_hub_and_back(hub, checkpoints, tmp_path):
    bundle = tmp_path / "bundle"
    made = foley("convert", checkpoints, "-o", bundle, "--json")
    assert made.returncode == 0, made.stderr
    facts = json.loads(made.stdout)
    assert facts["parts"] == ["cavp", "diffusion"]

    pushed = foley("push", bundle, "me/student", HF_HUB_DISABLE_XET="1")
    assert pushed.returncode == 0, pushed.stderr
    assert "me/student/commit/" in pushed.stdout

    pulled = foley("pull", "hub:me/student", "--json")
    assert pulled.returncode == 0, pulled.stderr
    assert json.loads(pulled.stdout)["sha256"] == facts["sha256"]
    assert "see its card" in pulled.stderr  # the licence, before the first use

    hub.stop()
    assert foley("pull", "hub:me/student", "--offline").returncode == 0
    assert foley("verify", "hub:me/student").returncode == 0
    removed = foley("remove", "hub:me/student")
    assert "freed" in removed.stdout
    gone = foley("verify", "hub:me/student")
    assert gone.returncode == 4
    assert "foley models pull hub:me/student" in gone.stderr


def test_what_fails_without_a_network_fails_without_loading_torch():
    """Seconds on a slow core, before the reason could be said."""
    code = (
        "import sys; from foleycli.cli.main import main; sys.argv[1:] = ['models', 'pull',"
        " 'diff-foley', '--offline']\ntry: main()\n"
        "except SystemExit as stop: print(stop.code, 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["4", "False"], run.stderr


def test_recordings_have_no_weights_to_verify():
    refused = foley("verify", "library")
    assert refused.returncode == 2 and "recordings" in refused.stderr


def test_pull_of_the_public_model_from_a_hub_that_lacks_it(hub):
    refused = foley("pull", "diff-foley")
    assert refused.returncode == 4
    assert "weights: MIT" in refused.stderr
    assert "diff_foley_ckpt/cavp_epoch66.ckpt" in refused.stderr
    assert "Traceback" not in refused.stderr
