"""`foley data` as it is typed."""

import json
import subprocess

import numpy as np
import pytest
import soundfile


@pytest.fixture
def films(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    source = "-f lavfi -i testsrc2=s=96x64:r=12:d=1 -f lavfi -i sine=f=500:d=1 -pix_fmt yuv420p"
    for name in ("one.mp4", "two.mp4"):
        command = ["ffmpeg", "-loglevel", "error", *source.split(), str(folder / name)]
        subprocess.run(command, check=True)
    return folder


def test_variants_are_made_kept_and_verified(foley, films, tmp_path) -> None:
    out = tmp_path / "cu"
    assert foley("data", "variants", films, out, "--kind", "cu", "--seed", 4)[0] == 0
    code, lines, _ = foley("data", "variants", films, out, "--kind", "cu", "--verify", "--json")
    assert code == 0
    assert [json.loads(line) for line in lines] == [
        {"id": "one", "problem": ""},
        {"id": "two", "problem": ""},
    ]
    assert '"seed": 4' in (out / "settings.json").read_text()
    (out / "two.mp4").write_bytes(b"")
    code, lines, _ = foley("data", "variants", films, out, "--kind", "cu", "--verify")
    assert code == 5 and lines == ["failed  two: two.mp4 has changed", "1 of 2 done"]


def test_a_bad_film_is_exit_code_5_and_named(foley, films, tmp_path) -> None:
    (films / "bad.mp4").write_bytes(b"bad")
    for command in (("variants", "--kind", "cm"), ("prepare", "--parts", "mels")):
        out = tmp_path / command[0]
        code, lines, errors = foley("data", command[0], films, out, *command[1:])
        assert code == 5 and "2 of 3 done" in lines and "failed  bad" in lines[0]
        assert "1 of 3 failed" in errors
        assert (out / "bad.csv").read_text().splitlines()[1].startswith("bad,")


@pytest.mark.parametrize(
    "wrong",
    [
        ("--kind", "blink"),
        ("--kind", "cu", "--a1", "0.7"),
        ("--kind", "cm", "--easing", "bounce"),
        ("--kind", "cu", "--position", "left"),
        ("--kind", "cm", "--move-seconds", "-1"),
    ],
)
def test_an_unknown_choice_is_exit_code_2_and_writes_nothing(foley, films, tmp_path, wrong) -> None:
    code, _, errors = foley("data", "variants", films, tmp_path / "out", *wrong)
    assert code == 2 and wrong[-1] in errors and "Traceback" not in errors
    assert not (tmp_path / "out").exists()


def test_a_split_that_is_not_there_is_named_with_those_that_are(foley, films, tmp_path) -> None:
    table = tmp_path / "vggsound.csv"
    table.write_text("one,0,dog,train\ngone,5,dog,train\n")
    arguments = ("prepare", films, tmp_path / "out", "--table", table, "--parts", "frames")
    code, _, errors = foley("data", *arguments, "--split", "valid")
    assert code == 2 and "of the split valid" in errors and "Its splits: train" in errors
    code, lines, errors = foley("data", *arguments)
    assert lines == ["1 of 1 done"] and errors.count("are not here") == 1


@pytest.mark.parametrize("table", [None, "name,label\na.wav,x\n", "file,class,label\n"])
def test_a_table_that_cannot_be_used_is_exit_code_3(foley, tmp_path, table) -> None:
    if table is not None:
        (tmp_path / "sounds.csv").write_text(table)
    code, _, errors = foley("data", "mix", tmp_path, tmp_path / "out", "--count", 1)
    assert code == 3 and "sounds.csv" in errors and "Traceback" not in errors


def test_scenes_are_mixed(foley, tmp_path) -> None:
    tap = np.exp(-np.arange(24_000) / 2000) * np.sin(np.arange(24_000) / 9)
    for number in range(3):
        soundfile.write(tmp_path / f"tap{number}.wav", tap, 48_000)
    rows = "".join(f"tap{number}.wav,wood,tap\n" for number in range(3)) + "nan.wav,wood\n"
    soundfile.write(tmp_path / "nan.wav", np.full(24_000, np.nan), 48_000, "FLOAT")
    (tmp_path / "sounds.csv").write_text("file,class,label\n" + rows)
    options = ("--count", 2, "--seconds", 3, "--held-out", "with")
    code, lines, errors = foley("data", "mix", tmp_path, tmp_path / "out", *options)
    assert code == 0, errors
    assert lines == ["2 of 2 done"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "events.csv", "settings.json", "scene000000.wav", "scene000000.json",
        "scene000001.wav", "scene000001.json",
    }  # fmt: skip
