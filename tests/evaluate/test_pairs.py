"""`foley eval run` on pairs: is each stem nearer to its own half, and silent where nothing is?"""

import json

import numpy as np
import pytest
import soundfile

from foleycli.clip.probe import probe
from foleycli.config import GenerateConfig
from foleycli.errors import UsageError
from foleycli.evaluate import pairs
from foleycli.evaluate.contestants import Contestant
from foleycli.evaluate.material import Sound
from foleycli.listeners.heard import Heard
from foleycli.mux.mux import mux_audio
from foleycli.sight.sightings import Person, Sighting, Thing
from foleycli.sources.selva import WordFeatures
from foleycli.spot.select import usual_box
from foleycli.train.pair_films import make_pairs, read_labels
from tests.films import strikes, write_film

WORDS = ("dog barking", "rain", "piano")


def tone(number, samples=72_000):
    return (0.2 * np.sin(2 * np.pi * 400 * (number + 1) * np.arange(samples) / 48_000)).astype("f4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three clips, each of its own tone, in pairs."""
    clips = tmp_path_factory.mktemp("clips")
    lines = ["file,label"]
    for n, words in enumerate(WORDS):
        silent = write_film(clips / f"silent{n}.mp4", strikes([0.4 + n / 4], 1.5))
        soundfile.write(clips / "sound.wav", tone(n), 48_000)
        mux_audio(probe(silent), clips / "sound.wav", clips / f"clip{n}.mp4", mode="replace")
        lines.append(f"clip{n}.mp4,{words}")
    (clips / "clips.csv").write_text("\n".join(lines) + "\n", "utf-8")
    out = tmp_path_factory.mktemp("pairs")
    assert len(list(make_pairs(read_labels(clips / "clips.csv"), out))) == 6
    return out


class Perfect:
    """Sounds what words name, and nothing for words of neither half."""

    name, fingerprint, looking, calls = "perfect", "1", 0.5, 0

    def encode(self, pictures, words=()):
        end = [picture.end for picture in pictures][-1]
        Perfect.calls += 1
        return WordFeatures(np.zeros((6, 512), np.float32), end, seen=dict.fromkeys(words[:2]))

    def render(self, features, cues, config, told=None):
        heard = config.prompt in features.seen
        samples = round(features.duration * 48_000)
        yield tone(WORDS.index(config.prompt), samples) * heard


@pytest.fixture
def listener(monkeypatch):
    """Hears which of three tones it is."""

    def heard(self, extractor):
        spectrum = np.abs(np.fft.rfft(self.at(16_000)))
        hertz = np.fft.rfftfreq(len(self.at(16_000)), 1 / 16_000)
        power = [spectrum[np.abs(hertz - 400 * (n + 1)) < 50].max() for n in range(3)]
        row = np.zeros((1, 1024), np.float32)
        row[0, :3] = np.array(power) / (sum(power) + 1e-9)
        scores = np.zeros((1, 521), np.float32)
        scores[0, :3] = row[0, :3]
        return Heard(row, np.log((scores + 1e-6) / (1 - scores + 1e-6)))

    monkeypatch.setattr(Sound, "heard", heard)
    monkeypatch.setattr("foleycli.evaluate.semantics.mean_embedding", lambda: np.zeros(1024))


def test_a_perfect_model_is_told_from_its_swap(folder, tmp_path, listener, monkeypatch):
    monkeypatch.setattr(pairs, "_opened", lambda config: Perfect())
    model = Contestant(name="perfect", config=GenerateConfig(model="library"))
    path = pairs.run_pairs(folder, [model], tmp_path / "run")
    rows = [row for row in json.loads(path.read_text()) if row["model"] == "perfect"]
    assert len(rows) == 6 * 3
    for row in rows:
        if row["asked"] == "neither":
            assert row["silent"]
            continue
        own, other = row["cosy_own"], row["cosy_other"]
        assert (own > other) == (row["asked"] == "own")
        assert (row["kl_own"] < row["kl_other"]) == (row["asked"] == "own")
        assert {"sync_own", "sync_other"} <= row.keys()
    shown = pairs.table(path)
    line = next(part for part in shown.splitlines() if "perfect | selected | own" in part)
    assert "| 100% |" in line and "| 6 | 0 |" in line
    assert pairs.TRUE in shown
    stems = list((tmp_path / "run").rglob("selected_own/*.wav"))
    assert len(stems) == 6

    before = Perfect.calls
    pairs.run_pairs(folder, [model], tmp_path / "run")
    assert Perfect.calls == before  # what is done is kept


def test_a_folder_of_sounds_says_nothing_of_words(folder, tmp_path):
    with pytest.raises(UsageError, match="says nothing of words"):
        pairs.run_pairs(folder, [Contestant(name="a", folder=tmp_path)], tmp_path / "run")


def test_what_is_no_set_of_pairs_is_none(folder, tmp_path):
    assert pairs.is_pairs(folder)
    assert not pairs.is_pairs(tmp_path)


def test_words_of_neither_name_neither(folder):
    for pair in pairs.plan(folder):
        assert pair.other and pair.other != pair.film
        assert set(pair.words.values()) == set(WORDS)


def test_the_library_is_asked_whole_and_cut(folder, tmp_path, monkeypatch):
    """By words for the whole picture, and for the picture cut to the thing's box."""
    monkeypatch.setattr(pairs, "usual_box", lambda words, sightings: (0.5, 0.2, 1.0, 0.9))
    (pair, *_) = pairs.plan(folder)
    config = GenerateConfig(model="library")
    found = {(way, asked): wave for way, asked, wave in pairs.sound_pair(pair, config, tmp_path)}
    assert {("selected", "own"), ("whole", "own"), ("cut", "own")} <= found.keys()
    assert all(len(wave) == round(pair.row.seconds * 48_000) for wave in found.values())
    cut = probe(tmp_path / "cut.mp4")
    assert (cut.width, cut.height) == (256, 200)


def test_a_thing_is_cut_to_its_usual_box():
    person = Person(np.zeros((17, 3), np.float32), 0.9, (0.0, 0.0, 0.3, 1.0))
    dogs = [(0.5, 0.5, 0.7, 0.9), (0.6, 0.5, 0.8, 0.9), (0.6, 0.4, 0.8, 0.9)]
    seen = [Sighting(n, things=(Thing("dog", 0.9, box),), people=(person,))
            for n, box in enumerate(dogs)]  # fmt: skip
    assert usual_box("dog barking", seen) == pytest.approx((0.6, 0.5, 0.8, 0.9))
    assert usual_box("a man talking", seen) == pytest.approx((0.0, 0.0, 0.3, 1.0))
    assert usual_box("thunder", seen) is None


def test_the_distance_of_a_set_to_itself_is_none():
    random = np.random.default_rng(0)
    own = random.standard_normal((40, 8))
    near, far = own + 0.1 * random.standard_normal((40, 8)), own + 3
    assert abs(pairs.kad(own, near)) < 3 < pairs.kad(own, far)
    assert np.isnan(pairs.kad(own[:1], own))
