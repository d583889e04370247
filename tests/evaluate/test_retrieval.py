"""A sound finds the picture that moves with it; near copies are no candidates of each other."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from foleycli.errors import MediaError
from foleycli.evaluate import retrieval
from foleycli.evaluate.retrieval import judge_film, motion_scores, retrieve
from foleycli.visualize import index as index_room
from foleycli.visualize.film import join_sound
from foleycli.visualize.hear import hear
from foleycli.visualize.index import Seen
from foleycli.visualize.sound import open_sound
from tests.films import strikes, write_film
from tests.visualize.sounds import clicks, write_wave

CLIPS = 10


def times_of(number: int) -> list[float]:
    return sorted(np.random.default_rng(number).uniform(0.3, 3.7, 4).tolist())


def seen_at(path: Path, times: list[float]) -> Seen:
    """A film that moves and hits at these times, and in which nothing is known."""
    motion = 0.01 * np.ones(100, np.float32)
    motion[[round(25 * time) for time in times]] = 1
    return Seen(
        path=path,
        duration=Fraction(4),
        frame_rate=Fraction(25),
        start=Fraction(0),
        drop=False,
        cuts=(),
        what=np.ones((16, 384), np.float32),
        classes=np.zeros((8, 1000), np.float32),
        motion=motion,
        hits=(motion > 0.5).astype(np.float32),
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten sounds that are named as clips, and what is seen in them made up."""
    clips = tmp_path / "clips"
    clips.mkdir()
    for number in range(CLIPS):
        write_wave(clips / f"{number}.wav", clicks(times_of(number), 4.0)).rename(
            clips / f"{number}.mov"
        )
    rows = [f"{n}.mov,{'dog' if n < 2 else n},{'a' if n < 2 else n}" for n in range(CLIPS)]
    (clips / "set.csv").write_text("\n".join(["file,class,source", *rows]))
    monkeypatch.setattr(index_room, "look_at", lambda path: seen_at(path, times_of(int(path.stem))))
    return clips


def test_each_sound_finds_its_own_picture(folder: Path, tmp_path: Path) -> None:
    found = retrieve(folder, index=tmp_path / "index")
    assert found.left_out == 1
    assert found.candidates.tolist() == [9, 9, *[10] * 8]
    told = found.told()
    assert told["motion"]["recall_1"] >= 0.9
    assert told["another clip's sound"]["recall_1"] <= 0.3
    table = found.table("a set")
    assert [row[0] for row in table.rows] == [*found.ranks, "chance"]
    assert float(table.rows[-1][1]) == pytest.approx(0.102, abs=1e-3)


def test_another_sound_agrees_less_with_a_picture(tmp_path: Path) -> None:
    heard = [
        hear(open_sound(write_wave(tmp_path / f"{n}.wav", clicks(times_of(n), 4.0))))
        for n in range(3)
    ]
    scores = motion_scores(heard, [seen_at(tmp_path / f"{n}", times_of(n)) for n in range(3)])
    assert scores.argmax(axis=1).tolist() == [0, 1, 2]


def test_too_few_clips_are_refused(tmp_path: Path, folder: Path) -> None:
    for number in range(5):
        (folder / f"{number}.mov").unlink()
    with pytest.raises(MediaError, match="5 clips"):
        retrieve(folder, index=tmp_path / "index")


def test_a_film_that_hits_with_its_sound_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    times = [0.7, 1.6, 2.2, 3.3, 4.1]
    picture = write_film(tmp_path / "p.mp4", strikes(times, 5.0, 25), 25)
    made = {}
    for name, when in (("right", times), ("late", [t + 0.45 for t in times])):
        sound = open_sound(write_wave(tmp_path / f"{name}.wav", clicks(when, 5.0)))
        join_sound(picture, sound, tmp_path / f"{name}.mkv", None)
        made[name] = judge_film(tmp_path / f"{name}.mkv")
    assert made["right"].sync_z > made["right"].shifted + 1
    assert made["right"].sync_z > made["late"].sync_z
    assert 0 <= made["right"].metronome <= 1
    other = write_wave(tmp_path / "other.wav", clicks([1.1, 2.9], 5.0))
    assert retrieval.other_sound(tmp_path / "right.mkv", other) < made["right"].sync_z


def test_a_radio_that_belongs_to_no_picture_does_not_hide_a_car(
    tmp_path: Path, folder: Path
) -> None:
    """Music under every sound, from its beginning on, as a radio in a car: hits still find their
    pictures, though less often than alone, and the radio alone finds none."""
    notes = np.arange(4 * 16_000) / 16_000
    chord = sum(np.sin(2 * np.pi * pitch * notes) for pitch in (220.0, 277.2, 329.6))
    beat = 0.6 + 0.4 * np.sin(2 * np.pi * 1.5 * notes)
    music = write_wave(tmp_path / "radio.wav", (0.1 * chord * beat).astype(np.float32), 16_000)
    alone = retrieve(folder, index=tmp_path / "index").told()["motion"]
    under = retrieve(folder, index=tmp_path / "index", radio=music).told()["motion"]
    assert under["recall_5"] >= 0.8
    assert under["recall_1"] <= alone["recall_1"]
    radio = hear(open_sound(music))
    films = [seen_at(tmp_path / f"{n}", times_of(n)) for n in range(CLIPS)]
    own = [hear(open_sound(write_wave(tmp_path / "own.wav", clicks(times_of(0), 4.0))))]
    scores = motion_scores([radio, *own], films)
    assert scores[0, 0] < scores[1, 0]  # the radio says less of this picture than its own sound
