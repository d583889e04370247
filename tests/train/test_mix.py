"""Scenes of one-shots: the sum of their events, every onset where the table says."""

import csv
import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from foleycli.config import SceneConfig
from foleycli.errors import MediaError, UsageError
from foleycli.library.segment import find_hits
from foleycli.train.mix import OneShots, mix_scenes

CONFIG = SceneConfig(duration=6.0, gap=0.5, spread_db=6.0)
RATE = 48_000


def click(pitch, lead):
    """Silence, then a decaying tone that begins abruptly."""
    time = np.arange(RATE // 2) / RATE
    tone = 0.5 * np.cos(2 * np.pi * pitch * time) * np.exp(-12 * time)
    return np.concatenate([np.zeros(lead), tone]).astype(np.float32)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    rows = [("file", "class", "label")]
    for number in range(40):
        name = f"tap{number}.wav"
        soundfile.write(folder / name, click(300 + 50 * number, 500 * number), RATE, "FLOAT")
        rows.append((name, f"class{number % 4}", f"tap {number}"))
    with (folder / "sounds.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


@pytest.fixture(scope="module")
def made(sounds, tmp_path_factory):
    out = tmp_path_factory.mktemp("scenes")
    assert not any(p for _, p in mix_scenes(sounds, sounds / "sounds.csv", out, 12, CONFIG))
    with (out / "events.csv").open() as file:
        return out, list(csv.DictReader(file))


def test_a_scene_is_the_sum_of_its_events(sounds, made):
    out, events = made
    for scene in sorted({event["scene"] for event in events}):
        waveform, rate = soundfile.read(out / scene)
        assert (rate, len(waveform)) == (RATE, 6 * RATE)
        expected = np.zeros(9 * RATE)  # from a second before the scene
        for event in (e for e in events if e["scene"] == scene):
            begin, attack, end = (int(event[name]) for name in ("begin", "attack", "end"))
            sound, _ = soundfile.read(sounds / event["file"])
            true_attack = 500 * int(event["label"].split()[1])
            assert abs(attack - true_attack) <= 24  # half a millisecond
            piece = sound[begin:end] * 10 ** (float(event["gain_db"]) / 20)
            before = min(96, attack - begin)  # 2 ms of fade at either end
            piece[:before] *= np.linspace(0, 1, before, endpoint=False)
            piece[-96:] *= np.linspace(1, 0, 96)
            start = RATE + int(event["onset_sample"]) - (attack - begin)
            expected[start : start + len(piece)] += piece
        assert np.abs(waveform - expected[RATE : 7 * RATE]).max() < 2**-22
        assert np.abs(waveform).max() <= 0.9


def test_onsets_are_where_the_attack_is_heard(made):
    out, events = made
    for scene in sorted({event["scene"] for event in events}):
        waveform, _ = soundfile.read(out / scene, dtype="float32")
        told = [int(e["onset_sample"]) for e in events if e["scene"] == scene]
        assert all(b - a >= RATE // 2 for a, b in itertools.pairwise(told))
        heard = [hit.onset for hit in find_hits(waveform)]
        near = [min(abs(onset - h) for h in heard) for onset in told]
        assert np.median(near) < 48  # 1 ms
        times = [float(e["onset"]) for e in events if e["scene"] == scene]
        np.testing.assert_allclose(np.array(told) / RATE, times, atol=1e-9)


def test_numbers_of_sources_and_events_stay_in_range(made):
    _, events = made
    for scene in {event["scene"] for event in events}:
        mine = [e["file"] for e in events if e["scene"] == scene]
        assert 1 <= len(set(mine)) <= 3 and 1 <= len(mine) <= 12
    assert len({len({e["label"] for e in events if e["scene"] == s["scene"]}) for s in events}) > 1


def test_the_json_beside_a_scene_says_the_same(made):
    out, events = made
    mine = json.loads((out / "scene000003.json").read_text())
    table = [e for e in events if e["scene"] == "scene000003.wav"]
    assert [{name: str(value) for name, value in e.items()} for e in mine] == table


def test_the_same_seed_gives_the_same_bytes_and_more_scenes_add(sounds, made, tmp_path):
    out, _ = made
    table = sounds / "sounds.csv"
    list(mix_scenes(sounds, table, tmp_path, 3, CONFIG))
    stamp = (tmp_path / "scene000001.wav").stat().st_mtime_ns
    list(mix_scenes(sounds, table, tmp_path, 12, CONFIG))
    assert (tmp_path / "scene000001.wav").stat().st_mtime_ns == stamp
    for name in ("events.csv", "scene000001.wav", "scene000011.wav"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()
    other = tmp_path / "other"
    list(mix_scenes(sounds, table, other, 1, replace(CONFIG, seed=1)))
    assert (other / "scene000000.wav").read_bytes() != (out / "scene000000.wav").read_bytes()


def test_held_out_sounds_are_kept_apart(sounds):
    kept = {
        which: {s.file for c in OneShots(sounds, sounds / "sounds.csv", which).by_class.values()
                for s in c}
        for which in ("without", "only", "with")
    }  # fmt: skip
    assert kept["without"] | kept["only"] == kept["with"] and len(kept["with"]) == 40
    assert not kept["without"] & kept["only"] and kept["only"]


def test_what_cannot_be_mixed_is_refused(sounds, tmp_path):
    with pytest.raises(UsageError, match="sideways"):
        list(mix_scenes(sounds, sounds / "sounds.csv", tmp_path, 1,
                        replace(CONFIG, held_out="sideways")))  # fmt: skip
    soundfile.write(tmp_path / "hum.wav", np.zeros(RATE), RATE)
    (tmp_path / "sounds.csv").write_text("file,class,label\nhum.wav,a,hum\n")
    problems = [p for _, p in mix_scenes(tmp_path, tmp_path / "sounds.csv", tmp_path / "o", 1,
                                         replace(CONFIG, held_out="with"))]  # fmt: skip
    assert "no hits" in problems[0]
    (tmp_path / "empty.csv").write_text("file,class,label\ngone.wav,a,b\n")
    with pytest.raises(MediaError):
        list(mix_scenes(tmp_path, tmp_path / "empty.csv", tmp_path / "p", 1, CONFIG))
