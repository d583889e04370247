"""A sheet is as long as its sound to the frame, keeps its samples, and shows onsets in time."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from foleycli.clip.probe import probe
from foleycli.errors import UsageError
from foleycli.visualize.hear import Span, find_spans, hear
from foleycli.visualize.make import visualize
from foleycli.visualize.request import Request
from foleycli.visualize.sheet import REACH, Layout, _with_room, assign_lanes, draw_sheet
from foleycli.visualize.sound import cut_sound, open_sound, read_blocks
from tests.visualize.sounds import clicks, write_wave

SMALL = {"width": 320, "height": 180}
TIMES = (0.5, 1.1, 1.75)


def samples_of(path: Path) -> np.ndarray:
    """The first sound of a file as it decodes, (samples, channels), whatever its kind."""
    with av.open(str(path)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(blocks, axis=1)


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize(
    ("samples", "rate", "frames"),
    [
        (48_000, Fraction(24), 24),
        (49_000, Fraction(24), 25),  # 24.5 is rounded up
        (48_999, Fraction(24), 24),
        (48_048, Fraction(24_000, 1001), 24),
        (10, Fraction(25), 1),
    ],
)
def test_frames_are_the_duration_times_the_rate_rounded_half_up(
    tmp_path: Path, samples: int, rate: Fraction, frames: int
) -> None:
    sound = write_wave(tmp_path / "a.wav", clicks([0.0], samples / 48_000))
    visualize(sound, tmp_path / "a.mov", Request(frame_rate=rate, **SMALL))
    assert open_sound(sound).frames(rate) == frames == frames_of(tmp_path / "a.mov")


@pytest.mark.parametrize("kind", [".mov", ".mkv"])
@pytest.mark.parametrize("depth", ["PCM_16", "PCM_24", "FLOAT"])
def test_the_sounds_own_samples_are_in_the_film(tmp_path: Path, kind: str, depth: str) -> None:
    wave = np.stack([clicks(TIMES, 2.0, 44_100), clicks(TIMES, 2.0, 44_100, seed=1)], axis=1)
    soundfile.write(tmp_path / "a.wav", wave, 44_100, subtype=depth)
    result = visualize(tmp_path / "a.wav", tmp_path / f"a{kind}", Request(**SMALL))
    assert result.untouched
    assert np.array_equal(samples_of(tmp_path / "a.wav"), samples_of(tmp_path / f"a{kind}"))


def test_a_flac_keeps_its_samples_in_a_mov(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", clicks(TIMES, 1.0), 48_000, subtype="PCM_24")
    visualize(tmp_path / "a.flac", tmp_path / "a.mov", Request(**SMALL))
    assert np.array_equal(samples_of(tmp_path / "a.flac"), samples_of(tmp_path / "a.mov"))


@pytest.mark.parametrize("kind", [".mov", ".mp4", ".mkv"])
def test_timecode_comes_from_the_broadcast_wave(tmp_path: Path, kind: str) -> None:
    rate = Fraction(30_000, 1001)
    start = Fraction(107_892) / rate  # 01:00:00;00 drop-frame
    sound = write_wave(tmp_path / "a.wav", clicks([0.2], 1.0), 48_000, start, rate, drop=True)
    result = visualize(sound, tmp_path / f"a{kind}", Request(**SMALL))
    assert (result.frame_rate, str(result.timecode)) == (rate, "01:00:00;00")
    assert str(probe(tmp_path / f"a{kind}").timecode) == "01:00:00;00"


def test_a_span_is_cut_to_the_sample_and_keeps_its_place(tmp_path: Path) -> None:
    rate = Fraction(25)
    sound = write_wave(tmp_path / "a.wav", clicks(TIMES, 2.0), 48_000, Fraction(3600), rate)
    request = Request(start="01:00:00:12", end="1.5", **SMALL)
    result = visualize(sound, tmp_path / "a.mov", request)
    assert str(result.timecode) == "01:00:00:12"
    assert result.frames == 26  # 1.02 s
    kept = samples_of(tmp_path / "a.mov")
    assert np.array_equal(kept, samples_of(sound)[:, 23_040:72_000])
    part = cut_sound(open_sound(sound), Fraction(12, 25), Fraction(3, 2))
    read = np.concatenate(list(read_blocks(part, 0.3)))
    assert np.allclose(read[:, 0], soundfile.read(sound)[0][23_040:72_000], atol=1e-6)


def test_onsets_are_heard_where_the_clicks_are(tmp_path: Path) -> None:
    heard = hear(open_sound(write_wave(tmp_path / "a.wav", clicks(TIMES, 2.5))))
    assert len(heard.onsets) == 3
    assert np.allclose(heard.onsets, TIMES, atol=0.025)


def test_the_playhead_stands_on_a_click_when_it_sounds(tmp_path: Path) -> None:
    sound = open_sound(write_wave(tmp_path / "a.wav", clicks([1.0], 2.0)))
    rate, size = Fraction(24), (640, 360)
    frames = list(draw_sheet(sound, hear(sound), rate, size))
    layout = Layout.of(*size, rate)
    first, last = layout.band("heat")
    rows = slice(layout.body[0] + first, layout.body[0] + last)
    before, after = (frames[n].to_ndarray(format="rgb24")[rows].mean(axis=(0, 2)) for n in (22, 26))
    here = layout.playhead
    assert before[here + 2 * layout.column + 3] > 2 * before[here + 2 * layout.column - 12]
    assert after[here - 2 * layout.column + 3] > 2 * after[here - 2 * layout.column - 12]


def test_spans_join_over_short_gaps_and_find_lanes() -> None:
    scores = np.full((20, 2), 0.01, np.float32)
    scores[2:6, 0] = scores[7:10, 0] = scores[4:15, 1] = 0.9
    level = np.zeros(20 * 48, np.float32)
    spans = tuple(find_spans(scores, level, ("door", "rain"), 9.6))
    assert [span.words for span in spans] == ["door", "rain"]
    assert spans[0].start == pytest.approx(1.2, abs=0.5)
    assert spans[0].end == pytest.approx(5.0, abs=0.6)
    assert [lane for _, lane in assign_lanes(spans)] == [0, 1]


def test_words_reach_as_far_as_nothing_follows_in_their_lane() -> None:
    named = (("eating", 1.0, 1.3), ("glass", 2.5, 2.6), ("rain", 1.0, 9.0))
    spans = [Span(start, end, name, name, 0.9) for name, start, end in named]
    placed = list(zip(spans, (0, 0, 1), strict=True))
    placed.sort(key=lambda pair: pair[0].start)
    until = {span.name: end for span, _, end in _with_room(placed)}
    assert until == {"eating": 2.5, "glass": 2.5 + REACH, "rain": 1.0 + REACH}


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    sound = write_wave(tmp_path / "a.wav", clicks([0.1], 0.5))
    for request, out in (
        (Request(width=321, height=180), "a.mov"),
        (Request(takes=2), "a.mov"),
        (Request(), "a.avi"),
        (Request(start="3"), "a.mov"),
    ):
        with pytest.raises(UsageError):
            visualize(sound, tmp_path / out, request)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
