"""`foley doctor`'s findings."""

import os
import tempfile
from pathlib import Path

import pytest

from foleycli.doctor import Check, can_run, examine


def find(name: str) -> Check:
    return next(check for check in examine() if check.name == name)


def test_everything_is_looked_at_and_this_machine_can_run() -> None:
    checks = list(examine())
    names = {check.name for check in checks}
    assert names == {
        *("python", "packages", "torch", "device", "ffmpeg", "encoders", "pyav"),
        *("weights", "model", "cache", "temporary"),
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
