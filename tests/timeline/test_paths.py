"""Paths as editing programs of every system write them."""

import os
from fractions import Fraction
from pathlib import Path

import pytest

from foleycli.config import GenerateConfig
from foleycli.errors import MediaError
from foleycli.timeline.files import read_timeline, write_timeline
from foleycli.timeline.manifest import find_jobs
from foleycli.timeline.media import find_media
from foleycli.timeline.model import Event, Media, Timeline, Track
from foleycli.timeline.paths import path_of, url_of


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("file:///Users/a/film%20one.mov", "/Users/a/film one.mov"),
        ("file://localhost/Users/a/film.mov", "/Users/a/film.mov"),
        ("file:/Users/a/film.mov", "/Users/a/film.mov"),
        ("/Users/a/100%25.mov", "/Users/a/100%25.mov"),
        ("file:///a/take#2?.mov", "/a/take#2?.mov"),
        ("file:///a/%E9.mov", "/a/é.mov"),  # Latin-1
        ("film.mov", "film.mov"),
        *((form, "C:/a b/film.mov") for form in (
            "C:\\a b\\film.mov", "C:/a b/film.mov", "file:///C:/a%20b/film.mov",
            "file://localhost/C:/a%20b/film.mov", "file://localhost/C%3a/a%20b/film.mov",
            "file:///C%3A/a%20b/film.mov", "file:///C|/a%20b/film.mov", "file://C:/a%20b/film.mov",
            "file://C:\\a b\\film.mov", "file:///C:%5Ca%20b%5Cfilm.mov", "\\\\?\\C:\\a b\\film.mov",
        )),
        *((form, "//server/share/film.mov") for form in (
            "\\\\server\\share\\film.mov", "//server/share/film.mov",
            "file://server/share/film.mov", "file:////server/share/film.mov",
            "file://///server/share/film.mov", "file://localhost//server/share/film.mov",
            "file://localhost/%5c%5cserver%5cshare%5cfilm.mov",
            "file:///%5C%5Cserver%5Cshare%5Cfilm.mov", "file:\\\\server\\share\\film.mov",
            "\\\\?\\UNC\\server\\share\\film.mov", "smb://me@server/share/film.mov",
        )),
    ],
)  # fmt: skip
def test_every_form_is_one_path(written, path) -> None:
    assert path_of(written) == path
    if path.startswith(("/", "C:")):
        assert path_of(url_of(path)) == path


@pytest.mark.parametrize("suffix", [".fcpxml", ".xml", ".otio", ".edl"])
@pytest.mark.parametrize("path", ["C:/a b/film.mov", "//server/share/film#1.mov", "/a/ü %.mov"])
def test_paths_come_back_from_every_format(tmp_path, suffix, path) -> None:
    if suffix == ".otio":
        pytest.importorskip("opentimelineio")
    media = Media(name="film.mov", path=path, start=Fraction(0), duration=Fraction(4))
    event = Event(
        name="a", media=media, start=Fraction(0), duration=Fraction(2), source=Fraction(0)
    )
    track = Track(kind="picture", events=(event,), name="V1")
    write_timeline(Timeline(name="t", rate=Fraction(25), tracks=(track,)), tmp_path / f"t{suffix}")
    (again,) = read_timeline(tmp_path / f"t{suffix}", Fraction(25)).tracks[0].events
    assert isinstance(again.media, Media) and again.media.path == path


def event_of(path: str) -> Event:
    media = Media(name="film.mov", path=path)
    return Event(name="a", media=media, start=Fraction(0), duration=Fraction(1), source=Fraction(0))


def test_a_path_of_another_system_is_found_by_its_name(tmp_path) -> None:
    film = tmp_path / "rushes" / "film.mov"
    film.parent.mkdir()
    film.write_bytes(b"x")
    for written in ("C:\\x\\film.mov", "file://localhost/%5c%5cserver%5cshare%5cfilm.mov"):
        event = event_of(path_of(written))
        assert find_media([event], tmp_path, [tmp_path])[event.media] == film


def test_no_name_and_no_link_in_the_folders_breaks_the_search(tmp_path) -> None:
    (tmp_path / "film.mov").write_bytes(b"x")
    (tmp_path / "loop.mov").symlink_to("loop.mov")
    (tmp_path / "around").mkdir()
    (tmp_path / "around" / "again").symlink_to(tmp_path)
    for path in ("a" * 5000 + ".mov", "a\0b.mov", "loop.mov/x.mov", "\ud800.mov"):
        event = event_of(path)
        assert find_media([event], Path("/nowhere"), [tmp_path])[event.media].name == "film.mov"
    with pytest.raises(MediaError, match="1 of the timeline's files"):
        find_media([event_of("x/loop.mov").part(Fraction(0), Fraction(1))], tmp_path / "around")
    assert os.path.lexists(tmp_path / "loop.mov")


def test_globs_go_through_links_once(tmp_path) -> None:
    deep = tmp_path / "day 1" / "cam"
    deep.mkdir(parents=True)
    for name in ("a.mov", ".hidden.mov", "b_sfx.mov"):
        (deep / name).write_bytes(b"x")
    (tmp_path / "c.mov").write_bytes(b"x")
    for place in (tmp_path, deep):
        for name in ("up", "round"):
            (place / name).symlink_to(tmp_path)
    jobs = find_jobs([f"{tmp_path}/**/*.mov"], tmp_path, GenerateConfig())
    assert [job.clip for job in jobs] == [tmp_path / "c.mov", deep / "a.mov"]
    jobs = find_jobs([f"{tmp_path}/**/cam/*.mov"], tmp_path, GenerateConfig())
    assert [job.clip.name for job in jobs] == ["a.mov"]
