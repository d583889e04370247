"""`foley doctor`'s findings."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from foleycli import install
from foleycli.doctor import Check, can_run, examine


def find(name: str) -> Check:
    return next(check for check in examine() if check.name == name)


def test_everything_is_looked_at_and_this_machine_can_run() -> None:
    checks = list(examine())
    names = {check.name for check in checks}
    assert names == {
        *("python", "command", "packages", "torch", "device", "ffmpeg", "encoders", "pyav"),
        *("weights", "model", "separator", "cache", "temporary"),
    }
    assert can_run(checks), [check for check in checks if check.state == "missing"]


def test_what_is_missing_says_what_to_do(monkeypatch) -> None:
    monkeypatch.setenv("FOLEY_FFMPEG", "/nowhere/ffmpeg")
    check = find("ffmpeg")
    assert check.state == "missing"
    assert "/nowhere/ffmpeg" in check.found
    assert check.remedy
    assert not can_run([check])


def test_ffmpeg_without_encoders_cannot_run(monkeypatch, tmp_path) -> None:
    bare = tmp_path / "ffmpeg"
    bare.write_text("#!/bin/sh\necho 'ffmpeg version 1.0 Copyright'\n")
    bare.chmod(0o755)
    monkeypatch.setenv("FOLEY_FFMPEG", str(bare))
    check = find("encoders")
    assert check.state == "missing"
    assert "aac" in check.found


def test_imageio_ffmpeg_serves_when_path_has_none(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("FOLEY_FFMPEG", raising=False)
    assert find("ffmpeg").state == "ok"
    assert "imageio_ffmpeg" in find("ffmpeg").found
    assert find("encoders").state == "ok"


def test_broken_library_is_a_finding(monkeypatch) -> None:
    import av

    monkeypatch.delattr(av, "library_versions")
    assert find("pyav").state == "missing"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root writes everywhere")
def test_folder_that_cannot_be_written(monkeypatch, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert find("temporary").state == "missing"


def test_cache_is_where_the_variable_says(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "not" / "yet"))
    check = find("cache")
    assert check.state == "ok"
    assert str(tmp_path) in check.found


def test_another_program_of_that_name_is_named(monkeypatch, tmp_path: Path) -> None:
    other = tmp_path / "foley"
    other.write_text("#!/bin/sh\necho narration\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    check = find("command")
    assert check.state == "warn" and str(other) in check.found and "foleycli" in check.remedy
    other.write_text("#!/usr/bin/python3\nfrom foleycli.cli.main import main\nmain()\n")
    assert find("command").state == "ok"


def test_the_cache_of_features_is_shown_with_its_limit(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path))
    monkeypatch.setenv("FOLEY_CACHE_LIMIT", "0.5")
    (tmp_path / "evaluate" / "clap").mkdir(parents=True)
    (tmp_path / "evaluate" / "clap" / "a.npz").write_bytes(bytes(3_000_000))
    assert "features 3.0 MB of 536.9 MB" in find("cache").found


@pytest.mark.parametrize("extra", ["timeline", "aaf", "clap", "ray", "eval", "train"])
def test_a_remedy_names_the_packages_themselves(extra) -> None:
    line = install.get_extra(extra)
    assert "foleycli" not in line and "install" in line
    assert set(install.needed(extra)) == set(install.EXTRAS[extra])


def test_a_remedy_is_for_this_python(monkeypatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/pip" if name == "pip" else None)
    assert install.get_packages("a b") == f"{sys.executable} -m pip install 'a b'"
    beside = str(Path(sys.executable).with_name("pip"))
    monkeypatch.setattr("shutil.which", lambda name: beside if name == "pip" else None)
    assert install.get_packages("a", options="--no-deps") == "pip install --no-deps a"
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(sys, "prefix", "/home/a/.local/share/pipx/venvs/foleycli")
    assert install.get_packages("a") == "pipx inject foleycli a"
