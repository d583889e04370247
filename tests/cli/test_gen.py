"""`foley gen` as it is typed: what goes where, what a dry run tells, what one bad clip costs."""

import json
import os
import sys

import pytest

from foleycli.clip.probe import probe
from foleycli.recipe import find_clip, read_recipe
from foleycli.sources import open as sources
from tests.films import strikes, write_film
from tests.timeline.clicks import Clicks


@pytest.fixture
def film(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "open_source", lambda config: Clicks())
    return write_film(tmp_path / "shot.mp4", strikes([0.2], 0.5))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_clip_that_is_not_there_is_refused_like_any_that_cannot_be_used(foley, tmp_path):
    for command in ("gen", "probe", "cues", "shots"):
        code, _, errors = foley(command, tmp_path / "none.mp4")
        assert code == 3 and "does not exist" in errors and "try: " in errors
    code, _, errors = foley("gen", tmp_path / ("a" * 300 + ".mp4"))
    assert code == 3 and "too long" in errors
    (tmp_path / "link.mp4").symlink_to("nowhere.mp4")
    code, _, errors = foley("gen", tmp_path / "link.mp4")
    assert code == 3 and "link to nowhere.mp4" in errors


def test_what_fails_among_others_does_not_stop_them(foley, film, tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    missing, folder = tmp_path / "none.mp4", tmp_path / "folder.mp4"
    for more in ("--dry-run", "--json"):
        code, lines, errors = foley("gen", missing, folder, film, "-o", tmp_path / "out/", more)
        assert code == 5 and "2 of 3" in errors and len(lines) in (1, 3)
    assert names(tmp_path / "out") == ["shot_sfx.foley.json", "shot_sfx.mp4"]
    code, lines, errors = foley("probe", missing, film)
    assert code == 5 and "1 of 2 clips cannot be used" in errors and "h264" in lines[1]


def test_a_slash_means_a_folder(foley, film, tmp_path):
    assert foley("gen", film, "-o", f"{tmp_path}/new/")[0] == 0
    assert names(tmp_path / "new") == ["shot_sfx.foley.json", "shot_sfx.mp4"]
    assert foley("gen", film, "-o", tmp_path / "deep" / "er" / "a.mp4")[0] == 0
    code, _, errors = foley("gen", film, "-o", film / "a.mp4")
    assert code == 2 and "is a file, not a folder" in errors and "try: " in errors


def test_recipes_and_waves_of_one_stem_are_kept_apart(foley, film, tmp_path):
    write_film(tmp_path / "shot.mov", strikes([0.2], 0.5))
    clips = [tmp_path / "shot.mov", film]
    assert foley("gen", *clips, "-o", tmp_path / "out/", "--wav")[0] == 0
    assert names(tmp_path / "out") == [
        f"shot_{kind}_sfx.{end}" for kind in ("mov", "mp4")
        for end in ("foley.json", kind, "wav")]  # fmt: skip
    out = tmp_path / "out" / "a.mov"
    assert foley("gen", film, "-o", out)[0] == 0
    code, _, errors = foley("gen", film, "-o", out.with_suffix(".mp4"))
    assert code == 6 and "a.foley.json exists, of a.mov" in errors
    out.unlink()
    assert foley("gen", film, "-o", out.with_suffix(".mp4"))[0] == 0


def test_a_dry_run_tells_what_the_run_would_do(foley, film, tmp_path):
    out = tmp_path / "new" / "a.mp4"
    code, lines, _ = foley("gen", film, "-o", out, "--out", "6f", "--json", "--dry-run")
    assert code == 0 and json.loads(lines[0])["outputs"] == [str(out)]
    assert json.loads(lines[0])["seconds"] == 0.25
    assert not out.parent.exists()
    (tmp_path / "cues.csv").write_text("begin,sound\n")
    for words, code in {
        ("--in", "9"): 2,
        ("--cues", tmp_path / "cues.csv"): 3,
        ("--model", tmp_path / "nothing"): 4,
    }.items():
        assert foley("gen", film, "-o", out, *words, "--dry-run")[0] == code


def test_an_end_past_the_end_is_said(foley, film, tmp_path):
    _, _, errors = foley("gen", film, "-o", tmp_path / "a.mp4", "--out", "9")
    assert "ends at 0.50 s, before --out" in errors


def test_a_wrong_ffmpeg_is_what_is_named(foley, film, tmp_path, monkeypatch):
    monkeypatch.setenv("FOLEY_FFMPEG", "/nowhere/ffmpeg")
    code, _, errors = foley("gen", film, "-o", tmp_path / "a.mp4")
    assert code == 2 and "is not a program.\n  try: Correct or unset it." in errors


def test_verify_says_what_it_proved(foley, film, tmp_path):
    code, lines, _ = foley("gen", film, "-o", tmp_path / "a.mp4", "--verify")
    assert code == 0 and "12 picture packets proved the same" in lines[0]
    _, lines, _ = foley("gen", film, "-o", tmp_path / "b.mp4", "--verify", "--json")
    assert json.loads(lines[0])["takes"][0]["proof"]["packets"] == 12


def test_the_track_that_was_written_is_named(foley, film, tmp_path):
    code, lines, _ = foley("gen", film, "-o", tmp_path / "a.mp4")
    assert code == 0 and lines[-1].endswith(', audio track 1, "Foley"')
    out = tmp_path / "b.mov"
    _, lines, _ = foley("gen", tmp_path / "a.mp4", "-o", out)
    assert lines[-1].endswith(', audio track 2, "Foley"')
    tracks = probe(out).audio
    assert len(tracks) == 2 and tracks[1].title == "Foley"
    _, lines, _ = foley("gen", tmp_path / "a.mp4", "-o", tmp_path / "c.mov", "--mix", "--json")
    assert json.loads(lines[0])["takes"][0]["track"] == {"number": 1, "title": "Foley mix"}


def test_cues_past_the_end_are_said(foley, film, tmp_path):
    sheet = tmp_path / "cues.csv"
    sheet.write_text("start,what\n0.2,door\n9,door\n")
    _, _, errors = foley("gen", film, "-o", tmp_path / "a.mp4", "--cues", sheet)
    assert "1 of 2 cues begin after the end" in errors


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
def test_a_name_that_is_not_utf_8_is_a_name(foley, film, tmp_path):
    odd = film.rename(tmp_path / os.fsdecode(b"caf\xe9.mp4"))
    code, lines, _ = foley("gen", odd, "--wav", "--mix")
    assert code == 0 and "\\udce9" in lines[0]
    recipe = odd.with_name(f"{odd.stem}_sfx.foley.json")
    assert find_clip(read_recipe(recipe), recipe) == odd


def test_a_name_too_long_for_the_recipe_is_refused_before_the_slow_part(foley, film, tmp_path):
    code, _, errors = foley("gen", film, "-o", tmp_path / ("a" * 248 + ".mp4"))
    assert code == 1 and "too long" in errors and names(tmp_path) == ["shot.mp4"]


def test_what_looks_is_chosen_and_written_down(foley, tmp_path, monkeypatch):
    film = write_film(tmp_path / "shot.mp4", strikes([0.2], 0.5))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    code, _, errors = foley("gen", film, "--encoder", "mine")
    assert code == 4 and "mine is no encoder" in errors
    (tmp_path / "mine" / "encoder.json").write_text('{"reach": 2}')
    assert foley("gen", film, "--encoder", "mine")[0] == 0
    written = read_recipe(tmp_path / "shot_sfx.foley.json").config.encoder
    assert written == str(tmp_path / "mine")
