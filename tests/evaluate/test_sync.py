import av
import numpy as np
import pytest

from foleycli.evaluate.sync import motion_curve, strength_curve, sync_z
from foleycli.evaluate.timing import onset_strength


def test_pulses_that_agree_score_high_and_shifted_ones_do_not():
    rng = np.random.default_rng(0)
    motion = (rng.random(250) < 0.05).astype(np.float32)
    assert sync_z(motion, motion) > 3
    assert sync_z(np.roll(motion, 3), motion) > 3  # 120 ms
    assert sync_z(np.roll(motion, 25), motion) < 1.5


def test_noise_scores_zero_on_average():
    rng = np.random.default_rng(1)
    motion = (rng.random(250) < 0.05).astype(np.float32) + rng.random(250).astype(np.float32)
    z = [
        sync_z(strength_curve(onset_strength(rng.standard_normal(160_000).astype("f4"))), motion)
        for _ in range(60)
    ]
    assert abs(np.mean(z)) < 3 / np.sqrt(60)  # 2.3 standard errors at a spread of about 1.3


def test_silence_and_still_pictures_score_zero():
    pulses = (np.arange(200) % 17 == 0).astype(np.float32)
    assert sync_z(np.zeros(200, np.float32), pulses) == 0
    assert sync_z(pulses, np.zeros(200, np.float32)) == 0
    assert sync_z(pulses[:20], pulses[:20]) == 0  # too short to shift


def test_motion_onsets_of_a_jumping_square(tmp_path):
    jumps = [20, 45, 70]
    with av.open(str(tmp_path / "jump.mkv"), "w") as out:
        stream = out.add_stream("mpeg4", rate=25, width=128, height=128, pix_fmt="yuv420p")
        stream.bit_rate = 4_000_000
        for i in range(90):
            picture = np.zeros((128, 128, 3), np.uint8)
            x = 32 * sum(i >= jump for jump in jumps)
            picture[40:72, x : x + 32] = 255
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts = i
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    curve = motion_curve(tmp_path / "jump.mkv")
    assert len(curve) == pytest.approx(90, abs=1)
    assert sorted(np.argsort(-curve)[:3]) == jumps


def test_noise_scores_zero_on_average_where_the_film_moves_at_its_ends():
    motion = np.zeros(250, np.float32)
    motion[[0, 1, 120, 248, 249]] = 1
    rng = np.random.default_rng(3)
    noises = rng.standard_normal((60, 160_000)).astype("f4")
    z = [sync_z(strength_curve(onset_strength(noise)), motion) for noise in noises]
    assert abs(np.mean(z)) < 3 / np.sqrt(60)
