import numpy as np
import pytest
import soundfile

from foleycli.evaluate import material
from foleycli.evaluate.kept import kept, kept_path
from foleycli.evaluate.material import Sound
from foleycli.listeners.heard import Heard


class Ear:
    """Counts how often it listens."""

    name, fingerprint, sample_rate, levelled = "ear", "1", 8000, False

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, waveform):
        self.asked += 1
        return Heard(np.array([[waveform.std(), len(waveform)]], np.float32))


@pytest.fixture
def ear(monkeypatch, tmp_path):
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))
    ear = Ear()
    monkeypatch.setattr(material, "open_extractor", lambda name: ear)
    return ear


def test_what_was_heard_is_kept_by_content(ear):
    noise = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    sound = Sound(noise, 16_000)
    heard = sound.heard("ear")
    assert heard.embeddings[0, 1] == 8000
    assert sound.heard("ear") is heard
    again = Sound(noise.copy(), 16_000).heard("ear")
    assert ear.asked == 1
    assert np.array_equal(again.embeddings, heard.embeddings)
    Sound(noise + 1e-3, 16_000).heard("ear")
    Sound(noise, 16_001).heard("ear")
    ear.fingerprint = "2"
    Sound(noise, 16_000).heard("ear")
    assert ear.asked == 4


def test_a_listener_that_wants_it_levelled_gets_it_so(ear):
    ear.levelled = True
    noise = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    loud, soft = (Sound(gain * noise, 16_000).heard("ear") for gain in (0.5, 0.05))
    assert loud.embeddings == pytest.approx(soft.embeddings, rel=1e-4)


def test_a_broken_file_is_made_again(monkeypatch, tmp_path):
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path))
    kept("things", "abc", lambda: {"a": np.arange(3)})
    kept_path("things", "abc").write_bytes(b"PK\x03\x04 half a file")
    made = kept("things", "abc", lambda: {"a": np.arange(4)})
    assert list(made["a"]) == [0, 1, 2, 3]
    assert list(kept("things", "abc", dict)["a"]) == [0, 1, 2, 3]


def test_a_sound_is_cut_or_filled_to_the_film(tmp_path):
    soundfile.write(tmp_path / "a.wav", 0.1 * np.ones(16_000), 16_000)
    short, long = (Sound.read(tmp_path / "a.wav", seconds) for seconds in (0.5, 2.0))
    assert short.duration == 0.5
    assert long.duration == 2.0
    assert not long.samples[16_010:].any()
    assert Sound.read(tmp_path / "a.wav").duration == 1.0


def test_other_rates_are_made_once():
    sound = Sound(np.zeros(48_000, np.float32), 48_000)
    assert sound.at(48_000) is sound.samples
    assert len(sound.at(16_000)) == 16_000
    assert sound.at(16_000) is sound.at(16_000)
