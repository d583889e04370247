"""A study page: made of two systems' sounds, answered in a browser, and counted."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from foleycli.errors import MediaError, UsageError
from foleycli.evaluate.clipset import Example, safe_name
from foleycli.evaluate.contestants import Contestant
from foleycli.evaluate.plan import Plan, join_plan
from foleycli.evaluate.ranks import count_ranks, describe_ranks, is_ranking
from foleycli.evaluate.tally import describe, tally
from foleycli.pages.ranking import find_choices, write_ranking
from foleycli.pages.study import pairs_in_folders, pairs_of_run, with_words, write_study
from tests.films import strikes, write_film
from tests.pages.browser import open_browser

RATE = 16_000
CLIPS = ("one", "two & <b>", "three")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("study")
    for folder in ("clips", "a", "b"):
        (root / folder).mkdir()
    for number, name in enumerate(CLIPS):
        write_film(root / "clips" / f"{name}.mp4", strikes([0.3], 0.8))
        for folder, loudness in (("a", 0.02), ("b", 0.4)):
            wave = loudness * np.sin(np.arange(int(0.8 * RATE)) / (3 + number))
            soundfile.write(root / folder / f"{name}.wav", wave, RATE)
    return root


@pytest.fixture(scope="module")
def page(folders) -> Path:
    pairs = pairs_in_folders(folders / "a", folders / "b", folders / "clips")
    write_study(folders / "study.html", pairs, ("old", "new"), question="Which <fits>?")
    return folders / "study.html"


def vote(choice: str, left: str) -> dict:
    return {"choice": choice, "left": left}


def answers(folder: Path, person: str, votes: dict, study: str = "s") -> Path:
    path = folder / f"{person}_{len(votes)}.json"
    path.write_text(json.dumps({"study": study, "person": person, "votes": votes}))
    return path


def test_the_page_names_no_system_and_loads_nothing(page) -> None:
    text = page.read_text()
    assert "old" not in text.replace("bold", "") and '"new"' not in text
    assert "http" not in text.replace("http-equiv", "")
    key = json.loads(page.with_suffix(".key.json").read_text())
    assert (key["a"], key["b"], key["clips"]) == ("old", "new", 3)


def test_another_picture_or_sound_is_another_study(folders, tmp_path) -> None:
    """Else answers about close-ups are counted with those about full clips, and one page shows
    what was answered on the other."""
    pairs = pairs_in_folders(folders / "a", folders / "b", folders / "clips")[:1]

    def named(pair, names=("old", "new")) -> str:
        page = tmp_path / "study.html"
        write_study(page, [pair], names, question="Which?", overwrite=True)
        return json.loads(page.with_suffix(".key.json").read_text())["study"]

    (pair,) = pairs
    studies = [named(pair), named(replace(pair, variant="cu")), named(replace(pair, b=pair.a))]
    assert len({*studies, named(pair, ("old", "newer"))}) == 4
    assert named(pair) == studies[0]


def test_words_are_shown_with_their_clip(folders, tmp_path) -> None:
    pairs = pairs_in_folders(folders / "a", folders / "b", folders / "clips")
    name = pairs[0].example.clip.stem
    table = tmp_path / "words.csv"
    table.write_text(f"file_name,label\n{name},dog barking\n", "utf-8")
    (told,) = with_words(pairs, table)
    assert told.words == "dog barking"
    page = tmp_path / "study.html"
    write_study(page, [told], ("old", "new"), question="Which fits the words?")
    assert '"words": "dog barking"' in page.read_text()
    table.write_text("file,label\nanother.mp4,rain\n", "utf-8")
    with pytest.raises(UsageError, match="no clip in common"):
        with_words(pairs, table)


def test_a_clip_without_a_sound_is_left_out_and_a_variant_must_be_there(folders, tmp_path) -> None:
    examples = tuple(
        Example(safe_name(name), folders / "clips" / f"{name}.mp4") for name in (*CLIPS, "gone")
    )
    models = tuple(Contestant(name=name, folder=folders / name) for name in "ab")
    join_plan(Plan(folder=tmp_path, examples=examples, contestants=models))
    assert [pair.example.id for pair in pairs_of_run(tmp_path, "a", "b")] == [
        "one",
        "two_b_",
        "three",
    ]
    with pytest.raises(UsageError, match="no cm clips"):
        pairs_of_run(tmp_path, "a", "b", "cm")


@pytest.mark.slow
def test_a_person_answers_by_keyboard_reloads_and_saves(page, tmp_path) -> None:
    with open_browser() as tab:
        tab.goto(page.as_uri())
        assert tab.inner_text("#welcome h1") == "Which <fits>?"
        tab.keyboard.press("Enter")
        for number in range(2):
            tab.wait_for_function(
                f"document.getElementById('where').textContent == 'Clip {number + 1} of 3'"
            )
            tab.keyboard.press("ArrowLeft")  # not heard yet: nothing happens
            assert tab.inner_text("#where") == f"Clip {number + 1} of 3"
            hear_both(tab)
            tab.keyboard.press("ArrowRight" if number else "ArrowLeft")
        before = tab.evaluate("JSON.stringify(order.map(o => [o.clip.id, o.left]))")
        tab.reload()
        tab.wait_for_function("document.getElementById('where').textContent == 'Clip 3 of 3'")
        assert tab.evaluate("JSON.stringify(order.map(o => [o.clip.id, o.left]))") == before
        if os.environ.get("FOLEY_SCREENSHOT"):
            tab.screenshot(path=os.environ["FOLEY_SCREENSHOT"], full_page=True)
        hear_both(tab)
        tab.click("#side1 .choose")
        with tab.expect_download() as saving:
            tab.click("#save")
        saving.value.save_as(tmp_path / "answers.json")
        assert tab.troubles == []
    saved = json.loads((tmp_path / "answers.json").read_text())
    assert len(saved["votes"]) == 3
    for cast in saved["votes"].values():
        right = "b" if cast["left"] == "a" else "a"
        assert cast["choice"] == (cast["left"] if cast["side"] == "A" else right)
    counted = tally([tmp_path / "answers.json"], page.with_suffix(".key.json"))
    assert counted.total == 3 and counted.names == {"a": "old", "b": "new"}


def hear_both(tab) -> None:
    for key, heard in (("1", "heard[0]"), ("2", "heard[1]")):
        tab.keyboard.press(key)
        tab.wait_for_function(heard)


@pytest.mark.slow
def test_people_see_clips_and_sides_in_orders_of_their_own(page) -> None:
    drawn = set()
    for _ in range(3):
        with open_browser() as tab:
            tab.goto(page.as_uri())
            drawn.add(
                tab.evaluate("JSON.stringify([state.seed, order.map(o => o.clip.id + o.left)])")
            )
    assert len(drawn) == 3


@pytest.mark.slow
def test_both_sounds_are_equally_loud(page, tmp_path) -> None:
    import base64
    import re

    from foleycli.waveform.sound import integrated_loudness, read_native

    data = re.search(r'id="study">(.*?)</script>', page.read_text(), re.S)
    assert data
    found = json.loads(data[1])
    levels = []
    for side in "ab":
        (tmp_path / f"{side}.mp4").write_bytes(base64.b64decode(found["clips"][0][side]))
        samples, rate = read_native(tmp_path / f"{side}.mp4")
        levels.append(integrated_loudness(samples, rate))
    assert levels == pytest.approx([-23, -23], abs=0.7)


def test_the_papers_study_is_no_chance(tmp_path) -> None:
    """Table 2 of arXiv 2507.02271: 20 people, 31 clips, 158 votes against 462."""
    cast = 0
    for person in range(20):
        votes = {}
        for clip in range(31):
            votes[f"clip{clip}"] = vote(
                "a" if cast * 158 // 620 != (cast + 1) * 158 // 620 else "b", "a"
            )
            cast += 1
        answers(tmp_path, f"p{person}", votes)
    counted = tally([tmp_path])
    assert counted.votes == {"a": 158, "b": 462} and counted.people == 20
    assert counted.share("b")[0] == pytest.approx(0.7452, abs=1e-4)
    assert counted.chance < 1e-30
    assert "74.52 %" in describe(counted)


def test_even_votes_may_be_chance(tmp_path) -> None:
    answers(tmp_path, "p", {"c": vote("a", "a"), "d": vote("b", "a")})
    counted = tally([tmp_path])
    assert counted.chance == 1.0 and counted.won == {"a": 1, "b": 1}


def test_a_person_who_saved_twice_counts_once(tmp_path) -> None:
    answers(tmp_path, "p", {"c": vote("a", "a")})
    answers(tmp_path, "p", {"c": vote("b", "a"), "d": vote("b", "b")})
    assert tally([tmp_path]).votes == {"a": 0, "b": 2}


def test_a_file_that_is_no_key_is_refused(tmp_path) -> None:
    answers(tmp_path, "p", {"c": vote("a", "a")})
    for text in ("no json", '{"study": "s"}', "[]"):
        (tmp_path / "x.key.json").write_text(text)
        with pytest.raises(MediaError, match="no key"):
            tally([tmp_path], tmp_path / "x.key.json")


def test_other_files_and_other_studies_are_refused(tmp_path) -> None:
    (tmp_path / "x.json").write_text('{"votes": {"c": {"choice": "c", "left": "a"}}}')
    with pytest.raises(MediaError):
        tally([tmp_path / "x.json"])
    one = answers(tmp_path, "p", {"c": vote("a", "a")})
    with pytest.raises(UsageError):
        tally([one, answers(tmp_path, "q", {"c": vote("a", "a"), "d": vote("a", "a")}, "t")])


def test_folders_without_a_name_in_common_are_refused(folders, tmp_path) -> None:
    with pytest.raises(UsageError):
        pairs_in_folders(folders / "a", tmp_path, folders / "clips")


@pytest.fixture(scope="module")
def ranking(folders) -> Path:
    of = {name: folders / side for name, side in (("input", "a"), ("ours", "b"), ("original", "b"))}
    choices = find_choices(of, folders / "clips")
    key = write_ranking(folders / "rank.html", choices, list(of), question="Which <fits>?")
    assert json.loads(key.read_text())["b"] == "ours"
    return folders / "rank.html"


def ranked(folder: Path, person: str, *orders: str, study: str = "s") -> Path:
    """Answers of a person: of each clip the systems from the best to the worst."""
    ranks = {
        f"clip{n}": {"ranks": {system: i + 1 for i, system in enumerate(order)}}
        for n, order in enumerate(orders)
    }
    path = folder / f"{person}_{len(orders)}.json"
    path.write_text(json.dumps({"study": study, "person": person, "ranks": ranks}))
    return path


def test_places_are_counted_and_set_against_chance(tmp_path) -> None:
    files = [ranked(tmp_path, "p", "dcba", "dcab", "cdba"), ranked(tmp_path, "q", "dcba")]
    ranked(tmp_path, "p", "abcd")  # an earlier, shorter file of the same person
    assert is_ranking([tmp_path])
    counted = count_ranks([tmp_path])
    assert (len(counted.places), counted.people, counted.clips) == (4, 2, 3)
    assert counted.counts(3) == [3, 1, 0, 0] and counted.counts(0) == [0, 0, 1, 3]
    assert counted.mean(2)[0] == 1.75 and counted.beats(3, 2) == 0.75
    # mean places 3.75, 3.25, 1.75, 1.25: chi2 = 12 * 4 / 20 * 4.25 = 10.2 at 3 degrees of freedom
    assert counted.chance == pytest.approx(0.0169, abs=1e-4)
    said = describe_ranks(counted)
    assert said.splitlines()[2].split()[0] == "d" and "75.0 %" in said
    with pytest.raises(UsageError, match="several studies"):
        count_ranks([*files, ranked(tmp_path, "r", "abcd", study="other")])
    (tmp_path / "bad.json").write_text(
        json.dumps({"study": "s", "person": "x", "ranks": {"c": {"ranks": {"a": 1, "b": 1}}}})
    )
    with pytest.raises(MediaError, match="not what the ranking's page saves"):
        count_ranks([tmp_path / "bad.json"])


def test_a_ranking_takes_three_systems_or_more(folders, tmp_path) -> None:
    with pytest.raises(UsageError, match="2 systems"):
        find_choices({"a": folders / "a", "b": folders / "b"}, folders / "clips")
    with pytest.raises(UsageError, match="no clip in common"):
        find_choices(dict.fromkeys("abc", tmp_path), folders / "clips")


@pytest.mark.slow
def test_a_person_puts_four_in_order_and_the_places_come_back(ranking, tmp_path) -> None:
    with open_browser() as tab:
        tab.goto(ranking.as_uri())
        tab.keyboard.press("Enter")
        for number in range(3):
            tab.wait_for_function(
                f"document.getElementById('where').textContent == 'Clip {number + 1} of 3'"
            )
            tab.keyboard.press("1")  # not heard yet: nothing happens
            for place, letter in ((3, "a"), (1, "b"), (2, "c")):
                tab.keyboard.press(letter)
                tab.wait_for_function(f"heard[{ord(letter) - ord('a')}]")
                tab.keyboard.press(str(place))
            if os.environ.get("FOLEY_SCREENSHOT"):
                tab.screenshot(path=os.environ["FOLEY_SCREENSHOT"], full_page=True)
            tab.keyboard.press("Enter")
        tab.reload()
        with tab.expect_download() as saving:
            tab.click("#save")
        saving.value.save_as(tmp_path / "answers.json")
        assert tab.troubles == []
    saved = json.loads((tmp_path / "answers.json").read_text())
    for vote in saved["ranks"].values():
        assert [vote["ranks"][system] for system in vote["shown"]] == [3, 1, 2]
    counted = count_ranks([tmp_path / "answers.json"], ranking.with_suffix(".key.json"))
    assert counted.names == ("input", "ours", "original") and len(counted.places) == 3
