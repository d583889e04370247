"""The shipped bank: whole, found by words, credited, small and quick."""

import csv
import time
import zlib

import pytest

from foleycli.errors import UsageError
from foleycli.library.bank import LEAST_SCORE, Bank, split_phrases
from foleycli.library.index import open_bank
from foleycli.library.level import SAMPLE_RATE, bed_level_db, hit_level_db
from foleycli.library.packages import TABLE
from foleycli.library.table import SHIPPED, read_aliases
from foleycli.spot.phrases import asked_vocabulary, vocabulary


@pytest.fixture(scope="module")
def bank():
    return Bank.open()


@pytest.mark.parametrize(
    ("words", "kind", "categories"),
    [
        ("beagle puppy barking (VAS)", "hit", {"animal_dog"}),
        ("a wooden door slams shut", "hit", {"door"}),
        ("heavy rain", "bed", {"rain"}),
        ("footsteps on gravel", "hit", {"footsteps", "stone_ground"}),
        ("glass shattering", "hit", {"glass_break", "glass_ceramic"}),
        ("machine gun", "hit", {"gun"}),
        ("train passing through station", "bed", {"engine_vehicle"}),
        ("campfire", "bed", {"fire"}),
        ("drumstick hitting metal rail (Greatest Hits)", "hit", {"metal", "impact_generic"}),
        ("sparrow chirping", "hit", {"animal_bird"}),
        ("typing on a keyboard", "hit", {"typing_click_switch"}),
        ("baby crying", "bed", {"human_nonspeech"}),
    ],
)
def test_words_find_their_class(bank, words, kind, categories):
    found = bank.find(words, kind, 3)
    assert [match.recording.kind for match in found] == [kind] * 3
    assert found[0].recording.category in categories
    assert found[0].confidence > 0.5


def test_nonsense_is_not_sure(bank):
    assert all(match.confidence < 0.5 for match in bank.find("qwxz blorf", "hit", 1))


def test_avoided_words_push_away(bank):
    wanted = {m.recording.category for m in bank.find("animal", "hit", 8)}
    without = bank.find("animal", "hit", 8, avoid="dog, horse, animal noises")
    assert wanted
    assert not any("noises" in match.recording.label for match in without)


def test_phrases():
    assert split_phrases("dog barking, man (left) and door") == ["dog barking", "man", "door"]
    assert split_phrases("roots/leaves (Greatest Hits)") == ["roots", "leaves"]
    assert split_phrases("(only a remark)") == ["(only a remark)"]


def test_matches_alternate_between_the_sounds_asked_for(bank):
    found = bank.find("dog barking; glass breaking", "hit", 4)
    assert [m.recording.category for m in found[::2]] == ["animal_dog"] * 2
    assert [m.recording.category for m in found[1::2]] == ["glass_break"] * 2


def test_every_recording_is_there_and_as_described(bank):
    assert len(bank.recordings) > 1500
    assert len({r.label for r in bank.recordings}) > 300
    assert {r.category for r in bank.recordings} == set(bank.categories)
    for recording in bank.recordings[::40]:
        samples = recording.read()
        assert len(samples) == recording.samples
        assert samples.any()
        measure = hit_level_db if recording.kind == "hit" else bed_level_db
        assert abs(measure(samples) - recording.level_db) < 3.0
        assert 0 <= recording.onset < 0.05 * SAMPLE_RATE


def test_words_with_an_alias_are_answered_by_its_labels_alone(bank):
    assert bank.find("typing on keyboard", "hit", 1)[0].recording.label == "keyboard key"
    assert bank.find("windshield wiper") == []  # there is no recording of that
    for labels in read_aliases(SHIPPED).values():
        assert set(labels) <= {recording.label for recording in bank.recordings}


@pytest.mark.parametrize(
    "words",
    ["theremin", "spaceship", "donkey braying", "dial-up modem", "tractor", "lawn mower", "kayak"],
)
def test_what_it_has_no_recording_of_is_not_answered_by_the_nearest(bank, words):
    assert bank.find(words, "hit") == bank.find(words, "bed") == []


@pytest.mark.parametrize(
    ("words", "label"),
    [("cat meowing", "cat meow"), ("horse neighing", "horse neigh"), ("car horn", "car horn"),
     ("ice cubes in a glass", "glass"), ("umbrella opening", "umbrella")],
)  # fmt: skip
def test_what_it_has_is_found(bank, words, label):
    assert bank.find(words, None, 1)[0].recording.label == label


def test_every_sound_that_can_be_seen_or_asked_for_by_name_is_answered_as_the_nearest_is(bank):
    """What is taken for nothing was never the best answer to a phrase of the vocabulary."""
    names = [phrase.words for phrase in (*vocabulary(), *asked_vocabulary())]
    for phrase in (part for words in names for part in split_phrases(words)):
        best, nearest = bank.scores(phrase), bank._nearness(phrase) + bank._merit
        if nearest.max() >= LEAST_SCORE:
            assert best.argmax() == nearest.argmax() and best.max() == nearest.max(), phrase


def test_words_to_avoid_keep_away_what_means_the_same(bank):
    dog = bank.scores("animal", "dog") - bank.scores("animal")
    puppies = [dog[i] for i, r in enumerate(bank.recordings) if r.label == "puppy bark"]
    assert max(puppies) < -0.1


def test_no_held_out_sound_is_in_it():
    with (SHIPPED / "recordings.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with TABLE.open(newline="", encoding="utf-8") as file:
        packages = {row["package"] for row in csv.DictReader(file)}  # chosen by hand
    sources = {row["cut_from"] for row in rows if row["source"] not in packages}
    assert sources
    assert not any(zlib.crc32(source.encode()) % 10 == 0 for source in sources)


def test_everyone_is_credited():
    with (SHIPPED / "CREDITS.csv").open(newline="", encoding="utf-8") as file:
        credited = {name for row in csv.DictReader(file) for name in row["recordings"].split()}
    with (SHIPPED / "recordings.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert credited == {row["id"] for row in rows}
    assert all(row["licence"] for row in rows)


def test_it_is_at_most_32_megabytes():
    size = sum(file.stat().st_size for file in SHIPPED.rglob("*") if file.is_file())
    assert size <= 32e6


def test_it_opens_at_once():
    begin = time.process_time()
    Bank.open()
    assert time.process_time() - begin < 0.15


def test_fingerprint_is_of_the_recordings(bank):
    assert bank.fingerprint == Bank.open().fingerprint
    fewer = Bank(
        bank.recordings[:-1],
        list(bank.categories.values()),
        bank._label_vectors,
        bank._word_vectors,
    )
    assert fewer.fingerprint != bank.fingerprint


def test_missing_folder(tmp_path):
    with pytest.raises(UsageError, match="no folder"):
        open_bank(tmp_path / "nowhere")
