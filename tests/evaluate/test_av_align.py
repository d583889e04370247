from fractions import Fraction

import av
import numpy as np
import pytest

from foleycli.evaluate import av_align as module
from foleycli.evaluate.av_align import (
    av_align,
    find_peaks_of_sound,
    flow_curve,
    frame_rate_of,
    motion_peaks,
)

RATE = 22_050
JUMPS = (12, 25, 44)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A square that jumps before frames 12, 25 and 44 of 60, 20 a second."""
    path = tmp_path_factory.mktemp("film") / "jumps.mkv"
    grain = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=20, width=160, height=120, pix_fmt="bgr0")
        for i in range(60):
            picture = np.full((120, 160, 3), 90, np.uint8)
            x = 10 + 6 * sum(i >= jump for jump in JUMPS)
            picture[40:80, x : x + 40] = grain
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="bgr0")
            frame.pts = i
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def test_onsets_are_those_of_librosa():
    waveform = np.zeros(3 * RATE, np.float32)
    for start, hertz in ((0.5, 440), (1.2, 900), (2.0, 200)):
        times, begin = np.arange(4000), int(start * RATE)
        tone = np.sin(2 * np.pi * hertz * times / RATE) * np.exp(-times / 800)
        waveform[begin : begin + 4000] += tone.astype(np.float32)
    waveform += (1e-3 * np.random.default_rng(1).standard_normal(len(waveform))).astype("f4")
    # librosa 0.11.0: onset_strength, onset_detect, frames_to_time with their defaults
    librosa = [0.06965986, 0.51083900, 0.71981859, 1.20743764, 2.02013605]
    assert find_peaks_of_sound(waveform) == pytest.approx(librosa)


def test_silence_has_no_onset():
    assert len(find_peaks_of_sound(np.zeros(RATE, np.float32))) == 0


def test_peaks_are_larger_than_both_neighbours():
    curve = np.array([5, 1, 2, 1, 0.05, 0.09, 0.05, 3, 3, 1, 9])
    assert list(motion_peaks(curve, 0.1)) == [2]
    assert list(motion_peaks(curve, 0.0)) == [2, 5]


def test_shared_peaks_over_all_peaks():
    motion = np.zeros(100)
    motion[[10, 50]] = 1  # at 1 s and 5 s
    assert av_align(np.array([1.05, 5.0, 7.0]), motion, 10) == pytest.approx(2 / 3)
    assert av_align(np.array([1.1, 5.1]), motion, 10) == 0  # a frame away is too far
    assert av_align(np.empty(0), motion, 10) == 0


def test_neither_sound_nor_motion_earns_nothing():
    assert av_align(np.empty(0), np.zeros(100), 25) == 0
    assert av_align(np.empty(0), np.zeros(0), 25, 2023) == 0


def test_in_2023_a_peak_could_be_hit_twice_and_a_tenth_of_a_pixel_was_motion():
    motion = np.zeros(100)
    motion[10] = 1
    onsets = np.array([0.95, 1.0, 1.05])
    assert av_align(onsets, motion, 10, 2025) == pytest.approx(1 / 3)
    assert av_align(onsets, motion, 10, 2023) == pytest.approx(3)
    assert av_align(onsets, 0.05 * motion, 10, 2025) == 0


def test_motion_is_found_where_it_is(film):
    pytest.importorskip("cv2")
    curve = flow_curve(film)
    assert len(curve) == 60
    assert frame_rate_of(film) == 20
    assert list(motion_peaks(curve, 0.1)) == list(JUMPS)


def test_clicks_at_the_jumps_align_and_late_ones_do_not(film):
    pytest.importorskip("cv2")
    curve, times = flow_curve(film), np.array(JUMPS) / 20
    assert av_align(times, curve, 20) == 1
    assert av_align(times + 0.25, curve, 20) == 0


def test_at_a_rate_every_tick_has_a_picture(film):
    pytest.importorskip("cv2")
    slow, quick = (flow_curve(film, Fraction(rate)) for rate in (10, 40))
    assert len(slow) == pytest.approx(30, abs=1)
    assert len(quick) == pytest.approx(120, abs=2)
    peaks = motion_peaks(slow, 0.1) / 10
    assert peaks == pytest.approx(np.array(JUMPS) / 20, abs=0.1)


def test_without_opencv_it_is_named(monkeypatch):
    module.opencv.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(module.ModelError, match=r"opencv|foleycli\[eval\]"):
        module.opencv()
    module.opencv.cache_clear()
