"""`foley models list|info` and `foley doctor`, as a person or a program calls them."""

import json

import pytest
from typer.testing import CliRunner

from foleycli import doctor
from foleycli.cli.main import app
from foleycli.doctor import Check
from foleycli.errors import ModelError
from foleycli.models.registry import MODELS

RUNNER = CliRunner()


def test_list_names_every_model_and_its_licence() -> None:
    shown = RUNNER.invoke(app, ["models", "list"]).stdout
    assert all(model.name in shown for model in MODELS)
    assert "MIT" in shown
    assert "2.4 GB" in shown  # of eval-clap, to be fetched


def test_list_as_json() -> None:
    listed = json.loads(RUNNER.invoke(app, ["models", "list", "--json"]).stdout)
    assert [model["name"] for model in listed] == [model.name for model in MODELS]
    assert listed[0]["weights_licence"]


def test_info_shows_card_and_source() -> None:
    run = RUNNER.invoke(app, ["models", "info", "diff-foley"])
    assert run.exit_code == 0
    assert "SimianLuo/Diff-Foley" in run.stdout
    assert "VGGSound" in run.stdout  # from the card
    info = json.loads(RUNNER.invoke(app, ["models", "info", "diff-foley", "--json"]).stdout)
    assert info["card"].startswith("# diff-foley")


def test_info_of_unknown_model() -> None:
    error = RUNNER.invoke(app, ["models", "info", "nonsense"]).exception
    assert isinstance(error, ModelError)
    assert "library" in error.remedy


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("warn", 0), ("missing", 1)])
def test_doctor_exit_code_says_whether_the_main_job_can_run(monkeypatch, state, code) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: iter([Check("torch", state, "it", "mend it")]))
    run = RUNNER.invoke(app, ["doctor"])
    assert run.exit_code == code
    assert "mend it" in run.stdout
    run = RUNNER.invoke(app, ["doctor", "--json"])
    assert run.exit_code == code
    assert json.loads(run.stdout) == {
        "ready": code == 0,
        "checks": [{"name": "torch", "state": state, "found": "it", "remedy": "mend it"}],
    }
