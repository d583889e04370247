"""The examples for continuous integration are what those services read, and run what is here."""

import shlex
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[1]
CI = ROOT / "examples" / "ci"


def commands(name: str) -> list[str]:
    """What a file has a machine run, one line each."""
    told = yaml.safe_load((CI / name).read_text())
    if name == "gitlab-ci.yml":
        (job,) = told.values()
        assert job["image"] and job["timeout"]
        return job["script"]
    assert told[True] == ["push"]  # YAML 1.1 reads "on" so, and GitHub with it
    (job,) = told["jobs"].values()
    assert job["runs-on"] and all(("uses" in step) != ("run" in step) for step in job["steps"])
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("name", ["github.yml", "gitlab-ci.yml"])
def test_a_pipeline_installs_as_readme_says_and_runs_the_smoke_test(name: str) -> None:
    torch, install, smoke = (shlex.split(line) for line in commands(name))
    readme = (ROOT / "README.md").read_text()
    assert " ".join(torch) in readme and install == ["pip", "install", "."]
    assert smoke[0] == "sh" and (ROOT / smoke[1]).is_file()  # test_examples.py runs it


def test_the_container_copies_what_its_head_tells_to_make() -> None:
    lines = (CI / "Containerfile").read_text().splitlines()
    assert next(line for line in lines if line and not line.startswith("#")).startswith("FROM ")
    says = "\n".join(line for line in lines if line.startswith("#"))
    assert "--wheel-dir wheels" in says and "COPY wheels /wheels" in lines
    assert any("--no-index --find-links /wheels foleycli" in line for line in lines)
