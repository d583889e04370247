"""Films laid out as VGGSound's become shards, and come back in a fixed order."""

import json
import subprocess
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from foleycli.clip.probe import probe
from foleycli.config import DIFF_FOLEY_MEL, MEL, PrepareConfig
from foleycli.errors import FoleyError, MediaError, UsageError
from foleycli.evaluate.clipset import read_set
from foleycli.frames.decode import decode_pictures
from foleycli.spot.encode import Encoder, encode_video
from foleycli.train.listing import read_rows
from foleycli.train.prepare import Prepared, prepare
from foleycli.waveform.mel import log_mel

PLAIN = PrepareConfig(parts=("frames", "mels"), shard=2)
# YouTube id, start in seconds, label, split: no header, labels with commas
TABLE = """\
aa-bbCC_dd1,30,"dog barking, howling",train
aa-bbCC_dd2,0,playing drum kit,train
gone0000000,12,church bell ringing,train
aa-bbCC_dd3,110,people sneezing,test
torn0000000,5,cat purring,train
mute0000000,7,cat purring,train
"""


def ffmpeg(*arguments):
    command = ["ffmpeg", "-y", "-loglevel", "error", "-nostdin", *map(str, arguments)]
    subprocess.run(command, check=True)


def make_film(path, pitch, seconds=1.5, sound=True):
    picture = ["-f", "lavfi", "-i", f"testsrc2=s=96x64:r=12:d={seconds}"]
    tone = ["-f", "lavfi", "-i", f"sine=f={pitch}:r=44100:d={seconds}", "-c:a", "pcm_s16le"]
    coded = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    container = path.with_suffix(".mov")  # holds PCM, whose length is exact
    ffmpeg(*picture, *(tone if sound else []), *coded, container)
    container.rename(path)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vggsound")
    (folder / "video").mkdir()
    for number, name in enumerate(["aa-bbCC_dd1_000030", "aa-bbCC_dd2_000000"]):
        make_film(folder / "video" / f"{name}.mp4", 1000 * (number + 1))
    make_film(folder / "video" / "aa-bbCC_dd3_000110.mp4", 3000)
    make_film(folder / "video" / "mute0000000_000007.mp4", 0, sound=False)
    (folder / "video" / "torn0000000_000005.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    (folder / "vggsound.csv").write_text(TABLE)
    return folder


@pytest.fixture(scope="module")
def made(films, tmp_path_factory):
    out = tmp_path_factory.mktemp("shards")
    return out, dict(prepare(read_set(films / "video", films / "vggsound.csv"), out, PLAIN))


def test_every_film_of_the_list_is_used_or_named(made):
    out, problems = made
    assert [name for name in problems if not problems[name]] == [
        "aa-bbCC_dd1_000030",
        "aa-bbCC_dd2_000000",
        "aa-bbCC_dd3_000110",
    ]
    bad = {row["id"]: row["problem"] for row in read_rows(out / "bad.csv")}
    assert "damaged" in bad["torn0000000_000005"]
    assert "no sound" in bad["mute0000000_000007"]
    assert len(bad) == 2


def test_clips_come_back_as_they_were_seen_and_heard(films, made):
    clips = Prepared(made[0])
    assert (len(clips), clips.mel) == (3, MEL)
    clip = clips[0]
    assert (clip.id, clip.label) == ("aa-bbCC_dd1_000030", "dog barking, howling")
    film = films / "video" / f"{clip.id}.mp4"
    frames = [p.rgb for p in decode_pictures(probe(film)) for _ in range(p.repeats)]
    assert clip.frames is not None and clip.mel is not None and clip.features is None
    assert clip.frames.shape == (6, 224, 224, 3) and clip.duration == 1.5
    assert np.abs(clip.frames.astype(int) - np.stack(frames)).mean() < 2  # JPEG
    assert clip.mel.shape == (128, 96)
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(48_000) / 32_000) / 8
    expected = log_mel(tone, MEL).numpy()
    band = expected[:, 48].argmax()
    assert clip.mel[:, 48].argmax() == band
    assert clip.mel[band, 10:80].mean() == pytest.approx(expected[band, 10:80].mean(), abs=0.01)


def test_one_split_and_the_other_models_spectrograms(films, tmp_path):
    config = replace(PLAIN, model="diff-foley", split="test", parts=("mels",))
    list(prepare(read_set(films / "video", films / "vggsound.csv", config.split), tmp_path, config))
    clips = Prepared(tmp_path)
    assert [clip.id for clip in clips] == ["aa-bbCC_dd3_000110"]
    assert clips.mel == DIFF_FOLEY_MEL
    assert clips[0].mel.shape == (128, 94)  # 1.5 s at 62.5 a second
    assert clips[0].frames is None


def test_features_are_the_teachers(films, tmp_path):
    config = replace(PLAIN, split="test", parts=("features",))
    list(prepare(read_set(films / "video", films / "vggsound.csv", config.split), tmp_path, config))
    clip = Prepared(tmp_path)[0]
    seen = encode_video(
        decode_pictures(probe(films / "video" / f"{clip.id}.mp4")), Encoder.open("teacher")
    )
    np.testing.assert_allclose(clip.features, seen.rows, atol=1e-6)


def test_any_folder_with_a_header_csv_or_none(films, tmp_path):
    table = tmp_path / "list.csv"
    table.write_text("file,label\naa-bbCC_dd1_000030.mp4,a dog\n")
    list(prepare(read_set(films / "video", table), tmp_path / "a", PLAIN))
    assert [(clip.id, clip.label) for clip in Prepared(tmp_path / "a")] == [
        ("aa-bbCC_dd1_000030", "a dog")
    ]
    list(prepare(read_set(films / "video"), tmp_path / "b", PLAIN))
    assert len(Prepared(tmp_path / "b")) == 3


def test_what_is_done_is_kept_and_a_mended_film_makes_its_shard_again(films, tmp_path):
    source = tmp_path / "films"
    source.mkdir()
    names = ("a", "b", "c")
    for name in names:
        (source / f"{name}.mp4").write_bytes(
            (films / "video" / "aa-bbCC_dd1_000030.mp4").read_bytes()
        )
    (source / "c.mp4").write_bytes(b"no film")
    out = tmp_path / "out"
    list(prepare(read_set(source), out, PLAIN))
    first = (out / "shard-000000.tar").stat().st_mtime_ns
    assert len(Prepared(out)) == 2
    (source / "c.mp4").write_bytes((source / "a.mp4").read_bytes())
    list(prepare(read_set(source), out, PLAIN))
    assert len(Prepared(out)) == 3
    assert (out / "shard-000000.tar").stat().st_mtime_ns == first


def test_an_interrupted_run_goes_on_to_the_same_bytes(films, tmp_path, made):
    out, _ = made
    again = tmp_path / "again"
    half = prepare(read_set(films / "video", films / "vggsound.csv"), again, PLAIN)
    next(half)
    half.close()  # killed after the first shard
    assert not (again / "index.csv").exists()
    list(prepare(read_set(films / "video", films / "vggsound.csv"), again, PLAIN))
    for name in ("shard-000000.tar", "shard-000001.tar", "index.csv", "bad.csv"):
        assert (again / name).read_bytes() == (out / name).read_bytes()


def test_what_is_no_fault_of_a_film_is_tried_again(films, tmp_path, monkeypatch):
    examples = read_set(films / "video", films / "vggsound.csv", "test")
    arguments = examples, tmp_path, replace(PLAIN, split="test")

    def vanished(*_):
        raise OSError("the share is gone")

    with monkeypatch.context() as patch:
        patch.setattr("foleycli.train.prepare.probe", vanished)
        assert "share is gone" in dict(prepare(*arguments))["aa-bbCC_dd3_000110"]
    assert dict(prepare(*arguments)) == {"aa-bbCC_dd3_000110": ""}


def test_the_order_is_fixed_by_seed_and_epoch_and_keeps_a_tenth_apart(made):
    clips = Prepared(made[0])
    clips.rows = [{"id": f"clip{n}"} for n in range(1000)]
    order = clips.order(0, 0)
    assert order == clips.order(0, 0) != clips.order(0, 1)
    apart = clips.order(0, 0, held_out=True)
    assert sorted(order + apart) == list(range(1000))
    assert 70 < len(apart) < 130
    assert clips.order(1, 5, held_out=True) != apart


def test_shards_are_webdatasets(made):
    with tarfile.open(made[0] / "shard-000000.tar") as tar:
        names = tar.getnames()
        facts = json.load(tar.extractfile("00000000.json"))
    assert {"00000000.json", "00000000.mel.npy", "00000000.005.jpg"} <= set(names)
    assert facts["label"] == "dog barking, howling"


def test_other_settings_and_unknown_parts_are_refused(films, made, tmp_path):
    arguments = read_set(films / "video", films / "vggsound.csv"), made[0]
    with pytest.raises(UsageError, match="other settings: quality 95"):
        list(prepare(*arguments, replace(PLAIN, quality=80)))
    with pytest.raises(UsageError, match="smell"):
        list(prepare(*arguments, replace(PLAIN, parts=("smell",))))
    with pytest.raises(MediaError):
        Prepared(tmp_path)
    with pytest.raises(FoleyError):
        list(prepare(*arguments, replace(PLAIN, model="unheard-of")))
