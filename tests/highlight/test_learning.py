"""Spoiled mixes are made, measured and learned from."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from foleycli.clip.probe import probe
from foleycli.config import TRAINING, MuddyConfig
from foleycli.errors import ModelError, UsageError
from foleycli.evaluate import balance
from foleycli.evaluate.balance import against_controls, judge, read_cases, summarise
from foleycli.highlight.curves import STEMS
from foleycli.listeners.heard import Heard
from foleycli.pages.ranking import find_choices
from foleycli.train.muddy import RATE, make_muddy
from foleycli.train.run import RunOptions
from tests.films import strikes, write_film
from tests.highlight.sounds import noise, voice, write_wav

LONG = 4  # seconds of a film


@pytest.fixture(scope="module")
def muddy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("delivered")
    for number in range(3):
        room = folder / f"film{number}"
        room.mkdir()
        write_wav(room / "DX.wav", voice(LONG, [(0.6, 1.4 + 0.8 * number)], 0.2))
        write_wav(room / "MX.wav", noise(LONG, 0.02, number))
        write_wav(room / "FX.wav", noise(LONG, 0.03, 10 + number, channels=2))
    out = folder.parent / "muddy"
    assert make_muddy(folder, out, MuddyConfig(), balanced=True) == 3
    return out


def test_the_stems_of_a_spoiled_mix_add_up_and_the_gains_mend_it(muddy):
    with (muddy / "muddy.csv").open() as file:
        row = next(csv.DictReader(file))
    folder = muddy / row["name"]
    stems = {s: soundfile.read(folder / f"{s}.wav")[0] for s in STEMS}
    mix, target = (soundfile.read(folder / f"{n}.wav")[0] for n in ("input", "target"))
    assert np.abs(sum(stems.values()) - mix).max() < 3 * 2**-23
    mended = sum(stems[s] * 10 ** (-float(row[f"{s}_gains_db"]) / 20) for s in STEMS)
    assert np.abs(mended - target).max() < 1e-5
    assert row["loudest"] != row["highlight"]
    assert (
        float(row[f"{row['highlight']}_change_db"]) > 0 > float(row[f"{row['loudest']}_change_db"])
    )


def test_the_rule_finds_its_own_balance_again_and_controls_lose(muddy):
    rows = {r["method"]: r for r in summarise(
        judge(read_cases(muddy), ["input", "loudness", "base", "rule"])
    )}  # fmt: skip
    assert rows["rule"]["gain_error"] < 3 < rows["loudness"]["gain_error"]
    assert rows["rule"]["mag_removed"] > 0.7 > rows["loudness"]["mag_removed"]
    assert rows["rule"]["worse"] == 0


def test_the_pictures_controls_are_judged_and_all_is_kept_to_be_ranked(tmp_path):
    """Another clip's picture and one that runs backwards; a page of four wants films and sounds."""
    for number in range(2):
        room = tmp_path / "films" / f"film{number}"
        room.mkdir(parents=True)
        write_film(room / "film.mp4", strikes([0.5, 1.2], 2))
        write_wav(room / "DX.wav", voice(2, [(0.2, 1.4)], 0.2))
        write_wav(room / "FX.wav", noise(2, 0.03, number))
    make_muddy(tmp_path / "films", tmp_path / "m", MuddyConfig(), balanced=True)
    cases, ears = read_cases(tmp_path / "m"), tmp_path / "ears"
    methods = ["loudness", "rule", "picture", "picture-other", "picture-reversed"]
    scores = judge(cases, methods, sounds=ears)
    assert {path.name for path in ears.iterdir()} == {*methods, "original", "clips"}
    for case in cases:
        film = probe(ears / "clips" / f"{case.name}.mp4")
        assert float(film.duration or 0) == pytest.approx(2, abs=0.05)
        kept = soundfile.read(ears / "original" / f"{case.name}.wav")[0]
        assert np.array_equal(kept, soundfile.read(case.folder / "target.wav")[0])
    of = {name: ears / name for name in ("loudness", "rule", "picture", "original")}
    assert [choice.id for choice in find_choices(of, ears / "clips")] == [c.name for c in cases]
    rows = against_controls(scores)
    assert [(row["better"], row["than"]) for row in rows] == [
        ("picture", "rule"), ("picture", "picture-other"), ("picture", "picture-reversed"),
    ]  # fmt: skip
    (row, *_) = summarise([score for score in scores if score.method == "rule"])
    levels = {case.level for case in cases}
    assert {f"gain_error_{level}" for level in levels} <= row.keys()


def test_networks_that_are_pulled_judge_a_balance_too(muddy, monkeypatch, tmp_path):
    """PaSST's and ImageBind's numbers, of listeners that hear how loud a sound is."""

    class Listener:
        fingerprint, sample_rate, levelled = "x", 16_000, False

        def __init__(self, name):
            self.name = name

        def __call__(self, waveform):
            loud = float(np.sqrt(np.mean(waveform[: len(waveform) // 3] ** 2)))
            return Heard(np.array([[1.0, loud]], "f4"), np.array([[50 * loud, 1]], "f4"))

        def see(self, path):
            return np.array([[1.0, 0.0]], np.float32)

    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path))
    monkeypatch.setattr("foleycli.evaluate.material.open_extractor", Listener)
    monkeypatch.setattr("foleycli.evaluate.imagebind_score.open_extractor", Listener)
    (tmp_path / "film").write_bytes(b"a film")
    cases = [replace(case, clip=tmp_path / "film") for case in read_cases(muddy)]
    assert balance.pulled() == ()
    (plain,) = summarise(judge(cases[:1], ["loudness"]))
    assert "kld" not in plain and "ib" not in plain
    monkeypatch.setattr(balance, "pulled", lambda: ("kld", "ib"))
    scores = judge(cases, ["loudness", "rule"])
    rows = {row["method"]: row for row in summarise(scores)}
    assert 0 <= rows["rule"]["kld"] < rows["loudness"]["kld"]
    assert 0 <= rows["rule"]["ib"] < rows["loudness"]["ib"]
    balance.write_scores(tmp_path / "scores.jsonl", scores)
    lines = (tmp_path / "scores.jsonl").read_text().splitlines()
    assert all("kld" in json.loads(line, parse_constant=pytest.fail) for line in lines)


def test_gains_that_change_with_time_are_told_by_the_second(muddy, tmp_path):
    config = MuddyConfig(vary_every=1.5, continuous=True)
    make_muddy(muddy.parent / muddy.name.replace("muddy", "delivered0"), tmp_path / "m", config)
    case = read_cases(tmp_path / "m")[0]
    assert all(len(gains) == LONG for gains in case.true_db.values())
    assert len(set(case.true_db[case.highlight])) == 3


def test_wrong_levels_say_what_is_known(muddy, tmp_path):
    with pytest.raises(UsageError, match="low, moderate"):
        make_muddy(muddy, tmp_path / "x", MuddyConfig(level="deep"))


def test_a_balance_is_learned_and_goes_on_where_it_stopped(muddy, tmp_path):
    from foleycli.highlight.learned import LearnedBalance
    from foleycli.highlight.stems import stems_of
    from foleycli.train.highlight import train_balance

    config = replace(TRAINING["highlight"]["tiny"], updates=40, batch=3, rate=1e-2)
    whole = train_balance([muddy], tmp_path / "a", config, RunOptions())
    train_balance([muddy], tmp_path / "b", replace(config, updates=20), RunOptions())
    train_balance([muddy], tmp_path / "b", config, RunOptions())
    assert whole.is_file()
    with (tmp_path / "a" / "loss.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0] / 2
    stems = stems_of({s: muddy / "film0" / f"{s}.wav" for s in STEMS})
    spans = LearnedBalance.open(whole).spans(stems, None)
    assert len(spans) == LONG and set(spans[0].gains_db) == set(STEMS)
    with pytest.raises(ModelError, match="no learned balance"):
        LearnedBalance.open(tmp_path)


def test_the_network_is_learned_and_runs_over_any_length(muddy, tmp_path):
    from foleycli.highlight.visah import highlight_mix, open_visah
    from foleycli.train.highlight import train_visah

    config = replace(TRAINING["highlight-visah"]["tiny"], updates=2, seconds=0.5)
    path = train_visah([muddy], tmp_path / "v", config, RunOptions())
    net = open_visah(path)
    assert net.config.over_frames
    sound = noise(1, 0.1, 3, channels=2)[: RATE // 2].astype(np.float32)
    with torch.inference_mode():
        still = list(highlight_mix([sound], len(sound), net, strength=0.0))
        made = list(highlight_mix([sound], len(sound), net))
    assert np.array_equal(np.concatenate(still), sound)
    assert np.concatenate(made).shape == sound.shape
    with pytest.raises(ModelError, match="no weights of VisAH"):
        open_visah(muddy / "muddy.csv")


def test_windows_overlap_and_join_without_a_seam():
    from foleycli.highlight.visah import RATE as NET_RATE
    from foleycli.highlight.visah import cut_windows, highlight_mix

    class Identity:
        config = TRAINING["highlight-visah"]["tiny"].sizes

        def __call__(self, sound, context):
            return sound

    length = 21 * NET_RATE + 123
    sound = np.random.RandomState(0).standard_normal((length, 1)).astype(np.float32)
    blocks = np.array_split(sound, 17)
    assert [len(w) for w in cut_windows(blocks, length)] == [10 * NET_RATE] * 3
    out = np.concatenate(list(highlight_mix(blocks, length, Identity())))  # type: ignore[arg-type]
    assert out.shape == sound.shape and np.abs(out - sound).max() < 1e-6
