import av
import numpy as np
import pytest
import soundfile

from foleycli.errors import MediaError
from foleycli.waveform.sound import at_loudness, cut_windows, integrated_loudness, read_sound


def test_997_hz_at_full_scale_is_minus_3_lufs():
    tone = np.sin(2 * np.pi * 997 * np.arange(240_000) / 48_000).astype(np.float32)
    assert integrated_loudness(tone, 48_000) == pytest.approx(-3.01, abs=0.05)  # BS.1770-4
    assert integrated_loudness(tone[::3], 16_000) == pytest.approx(-3.01, abs=0.1)


def test_loudness_is_set_and_silence_kept():
    noise = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    assert integrated_loudness(at_loudness(noise, -20)) == pytest.approx(-20, abs=1e-3)
    assert not at_loudness(np.zeros(16_000, np.float32)).any()
    assert np.isfinite(integrated_loudness(noise[:1000]))


def test_reads_any_rate_and_mixes_down(tmp_path):
    left = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    soundfile.write(tmp_path / "a.wav", np.stack([left, left], 1) * 0.5, 48_000)
    waveform = read_sound(tmp_path / "a.wav")
    assert len(waveform) == pytest.approx(16_000, abs=2)
    assert np.abs(waveform).max() == pytest.approx(0.5, rel=0.05)


def test_a_late_sound_is_counted_from_the_picture(tmp_path):
    _video_with_late_click(tmp_path / "late.mkv", late_ms=500)
    waveform = read_sound(tmp_path / "late.mkv")
    assert np.abs(waveform).argmax() / 16_000 == pytest.approx(0.5, abs=0.002)


def test_no_sound_is_a_media_error(tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    with pytest.raises(MediaError):
        read_sound(tmp_path / "empty.wav")


def _video_with_late_click(path, late_ms):
    with av.open(str(path), "w") as out:
        video = out.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p")
        audio = out.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for i in range(25):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
            frame.pts = i
            out.mux(video.encode(frame))
        out.mux(video.encode())
        samples = np.zeros((1, 8000), np.int16)
        samples[0, 0] = 20_000
        block = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        block.sample_rate, block.pts = 16_000, late_ms * 16
        out.mux(audio.encode(block))
        out.mux(audio.encode())


def test_windows_lie_side_by_side_and_the_last_ends_with_the_sound():
    sound = np.arange(1, 26, dtype=np.float32)
    assert [window[0] for window in cut_windows(sound, 10)] == [1, 11, 16]
    assert [window[0] for window in cut_windows(sound[:20], 10)] == [1, 11]
    assert cut_windows(sound[:4], 10).tolist() == [[1, 2, 3, 4, 0, 0, 0, 0, 0, 0]]
    assert cut_windows(sound[:0], 10).shape == (1, 10)
