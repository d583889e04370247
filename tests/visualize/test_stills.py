"""An animatic has every frame, moves slowly, and punches in where the sound hits."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from foleycli.errors import MediaError
from foleycli.visualize.cutting import Slot
from foleycli.visualize.hear import hear
from foleycli.visualize.make import visualize
from foleycli.visualize.request import Request
from foleycli.visualize.sound import open_sound
from foleycli.visualize.stills import _canvas, look_at_stills, move
from tests.visualize.sounds import clicks, write_wave

RATE = Fraction(25)


def write_still(path: Path, seed: int = 0) -> Path:
    """Blocks of grays, so that a move shows."""
    blocks = np.random.default_rng(seed).integers(0, 255, (9, 16)).astype(np.uint8)
    Image.fromarray(blocks.repeat(40, 0).repeat(40, 1)).convert("RGB").save(path)
    return path


def test_the_camera_punches_in_on_a_hit_and_drifts_between(tmp_path: Path) -> None:
    picture = write_still(tmp_path / "a.png")
    sound = open_sound(write_wave(tmp_path / "a.wav", clicks([1.0], 2.0)))
    request = Request(width=320, height=180)
    frames = [
        frame.to_ndarray(format="gray")[:150].astype(int)
        for frame in move(sound, hear(sound), [Slot(0, 50)], [picture], RATE, request, 1)
    ]
    changes = np.array([np.abs(b - a).mean() for a, b in pairwise(frames)])
    assert len(frames) == 50
    assert abs(int(changes.argmax()) + 1 - 25) <= 1
    assert changes.max() > 3 * np.median(changes) > 0


def test_an_animatic_has_the_length_of_the_sound(tmp_path: Path) -> None:
    folder = tmp_path / "stills"
    folder.mkdir()
    for n in range(2):
        write_still(folder / f"{n}.png", n)
    (folder / "broken.jpg").write_bytes(b"no picture")
    sound = write_wave(tmp_path / "a.wav", clicks([0.4], 1.3))
    request = Request(
        way="stills", material=folder, width=320, height=180, frame_rate=RATE, takes=2
    )
    result = visualize(sound, tmp_path / "a.mkv", request)
    with av.open(str(tmp_path / "a_take2.mkv")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 33  # 32.5 is rounded up
    shown = [take.facts["pictures"][0]["picture"] for take in result.takes]
    assert sorted(shown) == ["0.png", "1.png"]


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="holds no picture"):
        look_at_stills(tmp_path)


def test_an_upright_board_stands_whole_and_a_wide_one_fills_the_frame(tmp_path: Path) -> None:
    for name, size in (("upright", (90, 160)), ("square", (120, 120)), ("wide", (160, 90))):
        picture = np.full((size[1], size[0], 3), 90, np.uint8)
        picture[:4] = picture[-4:] = (250, 20, 20)  # red edges above and below
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
        canvas = np.asarray(_canvas(tmp_path / f"{name}.png", 320, 180))
        top = (canvas.shape[0] - 180) // 2
        frame = canvas[top : top + 180, (canvas.shape[1] - 320) // 2 :][:, :320]
        red = (frame[..., 0] > 180) & (frame[..., 1] < 100)
        assert red[:8, 160].any() == red[-8:, 160].any() == (name != "wide")
        assert frame[90, 160].tolist() == pytest.approx([90] * 3, abs=3)
        assert (frame[90, 4] < 60).all() == (name != "wide")  # its dark self around it
