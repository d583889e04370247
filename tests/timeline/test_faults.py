"""Disks that fill up, folders and files that vanish: one clear line, nothing half-written,
and the run after it is whole."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from foleycli import output
from foleycli.config import GenerateConfig
from foleycli.errors import FoleyError, OutputExistsError
from foleycli.timeline import batch
from foleycli.timeline.batch import do_job
from foleycli.timeline.manifest import Job
from foleycli.timeline.reel import plan_reel
from tests.films import strikes, write_film
from tests.timeline.clicks import Clicks
from tests.timeline.test_reel import films, reel, run  # noqa: F401


@pytest.fixture
def job(tmp_path, monkeypatch) -> Job:
    monkeypatch.setattr(batch, "_source", lambda job: Clicks())
    monkeypatch.setattr(batch, "source_fingerprint", lambda config: Clicks.fingerprint)
    clip = write_film(tmp_path / "clip.mp4", strikes([0.2], 0.5))
    return Job(clip, tmp_path / "out" / "clip_sfx.mp4", GenerateConfig(wav=True))


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def fails_with(number: int):
    def fail(*_args, **_options):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "disk is full"),
        (errno.EACCES, "permission"),
        (errno.EROFS, "permission"),
        (errno.EIO, "Could not write"),
        (errno.ESTALE, "Could not write"),
        (errno.ENOTCONN, "Could not write"),
    ],
)
def test_a_disk_that_fails_is_one_line_and_leaves_nothing(job, monkeypatch, number, says) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(output, "flush", fails_with(number))
        outcome = do_job(job)
    assert outcome.state == "failed"
    assert says in outcome.problem and "\n" not in outcome.problem and outcome.remedy
    assert left_in(job.out.parent) == []
    assert do_job(job).state == "made"


def test_a_disk_that_fills_up_after_the_video_is_made_good_by_the_next_run(
    job, monkeypatch
) -> None:
    from foleycli import generate

    with monkeypatch.context() as broken:
        broken.setattr("foleycli.recipe.json.dumps", fails_with(errno.ENOSPC))
        assert do_job(job).state == "failed"
    assert generate is not None
    assert do_job(job).state == "made"
    assert do_job(job).state == "kept"
    assert left_in(job.out.parent) == ["clip_sfx.foley.json", "clip_sfx.mp4", "clip_sfx.wav"]


def test_an_output_folder_that_vanishes(job, monkeypatch) -> None:
    class Vanishes(Clicks):
        def encode(self, pictures):
            features = super().encode(pictures)
            shutil.rmtree(job.out.parent)
            return features

    monkeypatch.setattr(batch, "_source", lambda job: Vanishes())
    outcome = do_job(job)
    assert outcome.state == "failed" and "does not exist" in outcome.problem


def test_a_clip_that_vanishes_while_it_is_read(job, monkeypatch) -> None:
    class Vanishes(Clicks):
        def encode(self, pictures):
            features = super().encode(pictures)
            job.clip.unlink()
            return features

    monkeypatch.setattr(batch, "_source", lambda job: Vanishes())
    outcome = do_job(job)
    assert outcome.state == "failed" and "clip.mp4" in outcome.problem
    assert "bug" not in outcome.remedy
    assert left_in(job.out.parent) == []


def test_a_bug_costs_one_clip_and_says_so(job, monkeypatch) -> None:
    class Breaks(Clicks):
        def encode(self, pictures):
            raise IndexError("off by one")

    monkeypatch.setattr(batch, "_source", lambda job: Breaks())
    outcome = do_job(job)
    assert outcome.state == "failed" and "off by one" in outcome.problem
    assert "bug" in outcome.remedy


def test_a_path_of_more_than_200_characters(job, tmp_path) -> None:
    folder = tmp_path / ("a" * 90) / ("ü" * 60)
    deep = Job(job.clip, folder / ("b" * 100 + "_sfx.mp4"), job.config)
    assert len(str(deep.out)) > 200
    assert do_job(deep).state == "made" and do_job(deep).state == "kept"


def test_a_full_disk_silences_the_shots_it_hits_and_the_next_run_mends_them(
    tmp_path,
    films,  # noqa: F811
    monkeypatch,
) -> None:
    from foleycli.timeline import sound

    real, written = sound.write_sound, []

    def fills_up(path, *args, **options):
        written.append(path)
        if len(written) == 2:
            raise FoleyError("The disk is full.", "Free some space.")
        return real(path, *args, **options)

    with monkeypatch.context() as broken:
        broken.setattr(sound, "write_sound", fills_up)
        result = run(tmp_path, films)
    assert [failure.shot.number for failure in result.failures] == [2]
    again = run(tmp_path, films, overwrite=True)
    assert not again.failures and [s.kept for s in again.sounds] == [True, False, True]


def test_a_timeline_is_never_written_over_itself(tmp_path, films) -> None:  # noqa: F811
    from foleycli.errors import UsageError
    from foleycli.timeline.files import write_timeline

    write_timeline(reel(), tmp_path / "cut.edl")
    with pytest.raises(UsageError, match="input itself"):
        plan_reel(tmp_path / "cut.edl", tmp_path / "cut.edl", roots=[films], overwrite=True)
    (tmp_path / "out.edl").write_text("mine")
    with pytest.raises(OutputExistsError):
        plan_reel(tmp_path / "cut.edl", tmp_path / "out.edl", roots=[films])
