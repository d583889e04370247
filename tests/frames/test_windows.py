"""Windows of close-ups and camera moves, and what is seen through them."""

import itertools
import subprocess
from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest

from foleycli.clip.probe import probe
from foleycli.config import CinematicConfig
from foleycli.errors import UsageError
from foleycli.frames.decode import decode_pictures
from foleycli.frames.windows import (
    Dissolve,
    Grade,
    Window,
    clip_random,
    clip_window,
    crop_for,
    draw_view,
    draw_window,
    vary_frames,
    vary_pictures,
)

CONFIG = CinematicConfig()
WHOLE = Window(320, 180, 320, 180, (0, 0), (0, 0))


def windows(kind, count=300, width=320, height=240, config=CONFIG):
    return [
        draw_window(kind, width, height, 10.0, clip_random(1, str(n)), config) for n in range(count)
    ]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Two seconds in which nothing moves: waves of 64 pixels, every place in its own colour."""
    path = tmp_path_factory.mktemp("films") / "still.mp4"
    ramps = "geq=lum='126+100*sin(2*PI*X/64)':cb='40+170*Y/H':cr='40+170*X/W'"
    command = "ffmpeg -loglevel error -f lavfi -i".split()
    source = f"color=s=320x180:r=25:d=2,format=yuv444p,{ramps}"
    subprocess.run(
        [*command, source, "-c:v", "libx264", "-crf", "1", "-pix_fmt", "yuv420p", path], check=True
    )
    return probe(path)


def test_sizes_are_uniform_between_the_two_shares_and_even():
    shares = np.array([(w.width / 320, w.height / 240) for w in windows("cu", 2000)])
    assert shares.min() >= 0.4 - 1 / 240 and shares.max() <= 0.6 + 1 / 240
    np.testing.assert_allclose(shares.mean(axis=0), 0.5, atol=0.005)
    np.testing.assert_allclose(shares.std(axis=0), 0.2 / 12**0.5, atol=0.003)
    assert abs(np.corrcoef(shares.T)[0, 1]) < 0.06  # r_h and r_w are drawn apart
    assert all(w.width % 2 == 0 and w.height % 2 == 0 for w in windows("cu"))


def test_one_draw_keeps_the_aspect():
    for window in windows("cu", config=replace(CONFIG, aspect="kept")):
        assert window.width / 320 == pytest.approx(window.height / 240, abs=2 / 240)


def test_a_close_up_stands_still_within_the_picture():
    for window in windows("cu"):
        left, top, width, height = window.at(0)
        assert window.at(7.7) == (left, top, width, height)
        assert 0 <= left <= 320 - width and 0 <= top <= 240 - height
        assert left % 2 == 0 and top % 2 == 0


def test_a_centred_close_up():
    for window in windows("cu", config=replace(CONFIG, position="centre")):
        left, top, width, height = window.at(0)
        assert abs(left + width / 2 - 160) <= 1 and abs(top + height / 2 - 120) <= 1


@pytest.mark.parametrize(("size", "axis"), [((320, 240), 0), ((240, 320), 1), ((240, 240), 1)])
def test_a_move_slides_along_the_longer_axis_from_edge_to_edge(size, axis):
    rightward = 0
    for window in windows("cm", 300, *size):
        begin, middle, end = window.at(0), window.at(5), window.at(10)
        span = size[axis] - begin[2 + axis]
        assert {begin[axis], end[axis]} == {0, span}
        assert middle[axis] == pytest.approx(span / 2)
        assert begin[1 - axis] == end[1 - axis]
        assert begin[2:] == end[2:]
        rightward += end[axis] > begin[axis]
    assert 120 < rightward < 180  # either way, evenly


def test_move_and_close_up_of_a_clip_have_the_same_size():
    for near, move in zip(windows("cu"), windows("cm"), strict=True):
        assert (near.width, near.height) == (move.width, move.height)


def test_a_smooth_move_is_slow_at_its_ends_and_a_short_one_rests():
    smooth = windows("cm", 1, config=replace(CONFIG, easing="smooth"))[0]
    steps = np.abs(np.diff([smooth.at(t)[0] for t in np.linspace(0, 10, 101)]))
    assert steps[0] < steps[50] / 10 > steps[-1]
    short = windows("cm", 1, config=replace(CONFIG, move_seconds=2.0))[0]
    assert short.at(1.9) != short.at(2) == short.at(9)


def test_a_random_start_goes_part_of_the_way_and_leaves_all_else_as_it_was():
    part = windows("cm", config=replace(CONFIG, start="random"))
    for some, whole in zip(part, windows("cm"), strict=True):
        assert replace(some, first=whole.first, last=whole.last) == whole
        assert (some.last[0] > some.first[0]) == (whole.last[0] > whole.first[0])


def test_the_middle_square_is_kept():
    for window in windows("cu", config=replace(CONFIG, fit="crop")):
        assert window.width == window.height


def test_a_zoom_goes_between_the_whole_picture_and_a_close_up_of_its_proportions():
    zooms, grows = windows("zoom", 40), 0
    close_ups = windows("cu", 40, config=replace(CONFIG, aspect="kept"))
    for zoom, close in zip(zooms, close_ups, strict=True):
        first, last = zoom.at(0), zoom.at(10)
        small, whole = (first, last) if first[2] < last[2] else (last, first)
        grows += first is small
        assert whole == (0, 0, 320, 240)
        assert small == close.at(0)
        assert zoom.size_share == (small[2] / 320, small[3] / 240)
        for time in np.linspace(0, 10, 21):
            left, top, across, down = zoom.at(time)
            assert left >= 0 and top >= 0 and left + across <= 320 and top + down <= 240
            assert across / down == pytest.approx(4 / 3, rel=0.05)
    assert 10 < grows < 30


def test_a_dissolve_goes_from_one_close_up_to_another_in_the_middle():
    for name in range(20):
        view = draw_view("transition", 320, 240, 6.0, clip_random(0, str(name)), CONFIG)
        assert isinstance(view, Dissolve)
        assert (view.before.width, view.before.height) == (view.after.width, view.after.height)
        assert view.before.first != view.after.first
        assert 0.5 <= view.seconds <= 1.5
        assert view.weight_at(1) == 0 and view.weight_at(5) == 1
        assert view.weight_at(view.start + view.seconds / 2) == pytest.approx(0.5)


def test_half_of_a_dissolve_is_the_mean_of_both_shots():
    frames = np.zeros((1, 64, 64, 3), np.uint8)
    frames[:, :, :32] = 200
    left, right = (Window(64, 64, 32, 64, (x, 0), (x, 0)) for x in (0, 32))
    view = Dissolve(left, right, 1.0, 2.0)
    for time, level in ((0, 200), (2, 100), (3, 0)):
        assert (vary_frames(frames, [time], view, (32, 32)) == level).all()


def test_a_grade_changes_light_as_its_numbers_say():
    grays = np.broadcast_to(np.array([0, 64, 128, 255], np.uint8)[:, None], (4, 4)).copy()
    plain = Grade(1.0, 1.0, 1.0, 1.0, 0.0, 10.0)
    colours = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), np.uint8)
    same = vary_frames(colours, [0], plain, (8, 8))
    assert np.abs(same.astype(int) - colours).mean() < 3  # there and back by YCbCr
    half = replace(plain, last_gain=0.5)
    seen = vary_frames(np.stack([grays] * 3), [0, 5, 10], half, (4, 4))
    np.testing.assert_array_equal(
        seen[:, :, 0], [[0, 64, 128, 255], [0, 48, 96, 191], [0, 32, 64, 128]]
    )
    gray = vary_frames(colours, [0], replace(plain, saturation=0.0), (8, 8))[0].astype(int)
    assert np.ptp(gray, axis=2).max() <= 2
    warm = vary_frames(
        np.full((1, 8, 8, 3), 128, np.uint8), [0], replace(plain, warmth=12.0), (8, 8)
    )
    red, green, blue = warm[0, 0, 0]
    assert red > green > blue


@pytest.mark.parametrize("stored", ["yuv420p", "yuv422p10le", "rgb24"])
def test_a_graded_film_is_as_its_pictures_graded(stored, tmp_path):
    path = tmp_path / "film.mkv"
    source = f"testsrc2=s=320x180:r=5:d=0.6,format={stored}"
    codec = "libx264rgb" if stored == "rgb24" else "libx264"
    command = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", source, "-c:v", codec]
    subprocess.run([*command, "-qp", "1", "-threads", "1", path], check=True)
    clip = probe(path)
    view = Grade(1.4, 0.9, 0.7, 0.6, -8.0, 0.6)
    through = decode_pictures(clip, crop=crop_for(clip, view))
    seen = [p.rgb for p in through if p.rgb is not None]
    whole = [p for p in decode_pictures(clip) if p.rgb is not None]
    expected = [p.rgb for p in vary_pictures(whole, view) if p.rgb is not None]
    assert np.abs(np.stack(seen).astype(int) - np.stack(expected)).mean() < 4


def test_windows_depend_on_id_and_seed_alone_and_never_change():
    def draw(seed, name):
        return draw_window("cm", 320, 240, 10.0, clip_random(seed, name))

    assert draw(0, "a") == draw(0, "a")
    assert len({draw(0, "a"), draw(1, "a"), draw(0, "b")}) == 3
    # what a published manifest says must hold in every later version
    assert draw(0, "q7N9pVwEq6o_000030") == WINDOW_OF_ID


WINDOW_OF_ID = Window(320, 240, 166, 140, (154.0, 86.0), (0.0, 86.0), 10.0)


@pytest.mark.parametrize(
    "wrong", [{"position": "left"}, {"easing": "x"}, {"smallest": 0.7}, {"largest": 1.1}]
)
def test_what_no_window_can_have_is_refused(wrong):
    with pytest.raises(UsageError):
        draw_window("cu", 320, 240, 1.0, Random(0), replace(CONFIG, **wrong))


def test_through_the_whole_picture_everything_is_as_it_was(film):
    plain = list(decode_pictures(film))
    for window_sees, picture in zip(
        decode_pictures(film, crop=crop_for(film, WHOLE)), plain, strict=True
    ):
        assert window_sees.time == picture.time and window_sees.repeats == picture.repeats
        np.testing.assert_array_equal(window_sees.luma, picture.luma)
        if picture.rgb is not None:
            np.testing.assert_array_equal(window_sees.rgb, picture.rgb)


def test_a_slow_move_is_smooth_to_fractions_of_a_pixel(film):
    window = Window(320, 180, 160, 90, (40, 40), (60, 40), 2.0)  # 20 pixels in 50 frames
    turns = np.exp(-2j * np.pi * np.arange(128) / 64)
    seen = [p.luma[45, :128] @ turns for p in decode_pictures(film, crop=crop_for(film, window))]
    pixels = np.diff(np.unwrap(np.angle(seen))) * 64 / (2 * np.pi)
    np.testing.assert_allclose(pixels, 0.4, atol=0.03)


def test_small_pictures_are_cut_where_the_film_is(film):
    window = Window(320, 180, 160, 90, (20, 30), (150, 30), 2.0)
    from_film = list(decode_pictures(film, crop=crop_for(film, window)))
    from_small = list(vary_pictures(decode_pictures(film), window))
    for one, other in zip(from_film, from_small, strict=True):
        assert np.abs(one.luma.astype(int) - other.luma).mean() < 2
        if one.rgb is not None:
            assert np.abs(one.rgb.astype(int) - other.rgb).mean() < 2


@pytest.mark.parametrize("size", ["640x360", "1280x720"])
@pytest.mark.parametrize("stored", ["yuv420p", "yuv420p10le", "rgb24", "yuvj420p"])
def test_colours_stay_whatever_the_film_is_stored_as(size, stored, tmp_path):
    path = tmp_path / "film.mkv"
    source = f"smptebars=s={size}:r=5:d=0.6,format={stored}"
    command = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", source, "-c:v"]
    codec = "libx264rgb" if stored == "rgb24" else "libx264"
    subprocess.run([*command, codec, "-qp", "1", "-threads", "1", path], check=True)
    clip = probe(path)
    window = replace(clip_window("cu", clip, "x"), first=(0, 0), last=(0, 0))
    whole = [p for p in decode_pictures(clip) if p.rgb is not None]
    cut = [p for p in decode_pictures(clip, crop=crop_for(clip, window)) if p.rgb is not None]
    for one, other in zip(vary_pictures(whole, window), cut, strict=True):
        assert one.rgb is not None and other.rgb is not None
        assert np.median(np.abs(one.rgb.astype(int) - other.rgb)) <= 2  # 10 bits truncate
        assert np.median(np.abs(one.luma.astype(int) - other.luma)) <= 1


def test_frames_in_memory_are_cut_by_their_times():
    frames = np.zeros((3, 90, 160, 3), np.uint8)
    frames[:, :, :80] = 255  # the left half is white
    window = Window(320, 180, 160, 180, (0, 0), (160, 0), 2.0)
    varied = vary_frames(frames, (0, Fraction(1), 2), window, (32, 32))
    assert varied.shape == (3, 32, 32, 3)
    np.testing.assert_allclose(varied.mean(axis=(1, 2, 3)) / 255, (1, 0.5, 0), atol=0.02)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_film_is_cut_in_the_upright_picture(degrees, film, tmp_path):
    turned = tmp_path / "turned.mp4"
    command = ["ffmpeg", "-loglevel", "error", "-i", film.path, "-c", "copy", turned]
    before, after = [*command[:3], "-display_rotation", str(degrees), *command[3:]], command.copy()
    after[-1:-1] = ["-metadata:s:v:0", f"rotate={degrees}"]  # before FFmpeg 6
    if subprocess.run(before, check=False).returncode:
        subprocess.run(after, check=True)
    clip = probe(turned)
    assert clip.rotation == degrees
    window = clip_window("cu", clip, "x")
    whole = [p.rgb for p in decode_pictures(clip) if p.rgb is not None]
    cut = decode_pictures(clip, crop=crop_for(clip, window))
    seen = [p.rgb for p in cut if p.rgb is not None]
    expected = vary_frames(np.stack(whole), [0] * len(whole), window)
    assert np.abs(expected.astype(int) - np.stack(seen)).mean() < 2


def test_times_of_all_windows_rise_or_fall_together():
    for window in windows("cm", 20):
        lefts = [window.at(time)[0] for time in range(11)]
        steps = [b - a for a, b in itertools.pairwise(lefts)]
        assert all(s > 0 for s in steps) or all(s < 0 for s in steps)
