"""Every picture at its time, the reference's choice of 4 a second, spans, and damaged files."""

import itertools
import json
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foleycli.clip.probe import probe
from foleycli.errors import UsageError
from foleycli.frames.decode import count_rows, decode_pictures, decode_squares
from foleycli.frames.resize import middle_square
from foleycli.mux.ffmpeg import packaged_ffmpeg

SELECTION = json.loads((Path(__file__).parent / "frame_selection.json").read_text())
X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]


def ffmpeg(*arguments):
    # the wheel's: one that is installed may be older than -display_rotation
    binary = packaged_ffmpeg() or "ffmpeg"
    command = [binary, "-y", "-loglevel", "error", "-nostdin", *map(str, arguments)]
    subprocess.run(command, check=True)
    return arguments[-1]


def source(rate, seconds=2.0):
    return ["-f", "lavfi", "-i", f"testsrc2=s=64x36:r={rate}:d={seconds}"]


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A film of 10 s at each rate, made when first asked for."""
    folder, made = tmp_path_factory.mktemp("films"), {}

    def film(rate):
        if rate not in made:
            path = folder / f"{rate.replace('/', '_')}.mp4"
            made[rate] = probe(ffmpeg(*source(rate, 10), *X264, "-bf", 2, path))
        return made[rate]

    return film


def pictures(clip, *span):
    """All pictures, after checking what must hold of any."""
    shown = list(decode_pictures(clip, *span))
    assert shown[0].time == 0
    for one, following in itertools.pairwise(shown):
        assert one.end == following.time
    for picture in shown:
        assert picture.duration > 0
        assert picture.luma.shape == (90, 160)
        assert (picture.rgb is None) == (picture.repeats == 0)
        assert picture.rgb is None or picture.rgb.shape == (224, 224, 3)
    assert sum(p.repeats for p in shown) == max(1, count_rows(shown[-1].end))
    return shown


def taken(clip, *span):
    """Which frames of the film the 4-fps rule takes, one for each row."""
    start = span[0] if span else 0
    return [
        int((start + picture.time) * clip.frame_rate)
        for picture in pictures(clip, *span)
        for _ in range(picture.repeats)
    ]


@pytest.mark.parametrize("case", SELECTION)
def test_the_reference_takes_the_same_frames(case, films, tmp_path):
    rate, start, length = case.split()
    # the reference was measured on Matroska, whose milliseconds move one tie at 29.97
    remuxed = ffmpeg("-i", films(rate).path, "-c", "copy", tmp_path / "film.mkv")
    start = Fraction(start[3:]) if start != "ss=None" else Fraction(0)
    end = start + Fraction(length[2:]) if length != "t=None" else Fraction(10)
    assert taken(probe(remuxed), start, end) == SELECTION[case]


def test_exact_stamps_decide_where_milliseconds_tie(films):
    # frame 236 begins at 7.87453 s, before row 31's 7.875 s: ffmpeg -vf fps=4 on MP4 takes it
    assert taken(films("30000/1001"))[31] == 236


def test_length_is_what_decodes_to_the_frame(films):
    assert pictures(films("30000/1001"))[-1].end == Fraction(300 * 1001, 30000)
    assert pictures(films("24000/1001"))[-1].end == Fraction(240 * 1001, 24000)


def test_rows_are_rounded_half_up():
    assert [count_rows(Fraction(x)) for x in ("8.2", "8.0", "0.1", "0.125", "10")] == [
        *(33, 32, 0, 1, 40)
    ]


@pytest.mark.parametrize("rate", ["24000/1001", "30", "25", "10"])
def test_squares_are_the_frames_that_ffmpeg_takes_at_a_rate(rate, films):
    clip = films(rate)
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", clip.path, "-vf", "fps=25", "-f", "rawvideo",
         "-pix_fmt", "rgb24", "-"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    frames = np.frombuffer(raw, np.uint8).reshape(-1, 36, 64, 3)
    theirs = np.stack([middle_square(frame, 36) for frame in frames]).astype(int)
    ours = np.stack(list(decode_squares(clip, 25, 36)))
    assert ours.shape == (250, 36, 36, 3)
    assert len(theirs) >= 249  # the last one depends on how long FFmpeg takes a frame to last
    right = np.abs(ours[:249] - theirs[:249]).mean()
    wrong = min(
        np.abs(ours[1:249] - theirs[:248]).mean(), np.abs(ours[:248] - theirs[1:249]).mean()
    )
    assert right < wrong / 10


def test_matroska_milliseconds_are_undone(tmp_path):
    clip = probe(ffmpeg(*source("24000/1001"), *X264, tmp_path / "ms.mkv"))
    shown = pictures(clip)
    assert [p.time for p in shown] == [Fraction(i * 1001, 24000) for i in range(len(shown))]
    assert shown[-1].end == Fraction(48 * 1001, 24000)


def test_stamps_count_not_frames(tmp_path):
    # 30 a second, every second from the 20th to the 50th frame left out: a phone that stalls
    choose = "select='not(between(n,20,50))+eq(mod(n,7),0)'"
    modern = "-fps_mode" in subprocess.run(
        ["ffmpeg", "-h", "long"], capture_output=True, text=True, check=False
    ).stdout  # fmt: skip
    keep = ["-fps_mode" if modern else "-vsync", "vfr", "-video_track_timescale", 90000]
    clip = probe(ffmpeg(*source(30, 3), "-vf", choose, *keep, *X264, tmp_path / "vfr.mp4"))
    kept = [n for n in range(90) if not 20 <= n <= 50 or n % 7 == 0]
    shown = pictures(clip)
    assert [p.time for p in shown] == [Fraction(n, 30) for n in kept]
    assert shown[-1].end == 3
    rows = [n for n, p in zip(kept, shown, strict=True) for _ in range(p.repeats)]
    assert rows == [
        max(n for n in kept if Fraction(n, 30) < Fraction(2 * r + 1, 8)) for r in range(12)
    ]


@pytest.mark.parametrize(
    ("rate", "seconds", "frames", "rows"), [("1", 5, 5, 20), ("240", 1, 240, 4)]
)
def test_slow_and_fast_film(tmp_path, rate, seconds, frames, rows):
    shown = pictures(probe(ffmpeg(*source(rate, seconds), *X264, tmp_path / "film.mp4")))
    assert (len(shown), sum(p.repeats for p in shown), shown[-1].end) == (frames, rows, seconds)


def test_one_frame_makes_one_row(tmp_path):
    clip = probe(ffmpeg(*source(24), "-frames:v", 1, *X264, tmp_path / "one.mp4"))
    (picture,) = pictures(clip)
    assert (picture.repeats, picture.end) == (1, Fraction(1, 24))


def test_offsets_and_edit_lists_are_no_pictures(tmp_path, films):
    late = ffmpeg(*source(24), *X264, "-bf", 2, "-output_ts_offset", 10, tmp_path / "late.ts")
    assert pictures(probe(late))[-1].end == 2
    film = films("24")
    trimmed = ffmpeg("-ss", 1.2, "-i", film.path, "-c", "copy", tmp_path / "trimmed.mp4")
    shown = pictures(probe(trimmed))
    # the copy begins at a keyframe, its edit list at 1.2 s: what is hidden is not decoded
    whole = pictures(film)
    assert len(shown) in (len(whole) - 29, len(whole) - 28)
    assert np.array_equal(shown[-1].luma, whole[-1].luma)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("mp4", [*X264, "-bf", 2, "-g", 48]),
        ("mkv", [*X264, "-bf", 2, "-g", 48, "-x264-params", "open-gop=1"]),
        ("ts", [*X264, "-bf", 2, "-g", 48]),
        ("mpg", ["-c:v", "mpeg2video", "-bf", 2, "-g", 15]),
        ("h264", X264),
    ],
)
def test_a_span_is_a_part_of_the_whole(tmp_path, suffix, codec):
    clip = probe(ffmpeg(*source("24000/1001", 20), *codec, tmp_path / f"film.{suffix}"))
    whole = pictures(clip)
    frame = Fraction(1001, 24000)
    for first, last in ((0, 10), (200, 230), (401, 402)):
        part = pictures(clip, first * frame, last * frame)
        assert [p.time for p in part] == [i * frame for i in range(last - first)]
        assert part[-1].end == (last - first) * frame
        for one, other in zip(part, whole[first:last], strict=True):
            assert np.array_equal(one.luma, other.luma)


def test_a_span_between_frames_has_its_exact_length(films):
    shown = pictures(films("24"), Fraction("1.01"), Fraction("2.03"))
    assert shown[-1].end == Fraction("1.02")
    assert shown[0].end == Fraction(25, 24) - Fraction("1.01")


def test_a_span_beyond_the_end_ends_with_the_film(films):
    assert pictures(films("24"), Fraction(9), Fraction(99))[-1].end == 1


@pytest.mark.parametrize("span", [(2, 2), (3, 2), (-1, 2), (11, None), (100, 101)])
def test_an_empty_span_is_refused(films, span):
    start, end = Fraction(span[0]), span[1] and Fraction(span[1])
    with pytest.raises(UsageError):
        list(decode_pictures(films("24"), start, end))


def test_a_truncated_file_gives_what_it_has(tmp_path, films, caplog):
    start = ["-c", "copy", "-movflags", "+faststart"]
    path = ffmpeg("-i", films("24").path, *start, tmp_path / "cut.mp4")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    shown = pictures(probe(path))
    assert 4 < shown[-1].end < 8
    assert "says it is 10.000 s long" in caplog.text
    whole = pictures(films("24"))
    assert np.array_equal(shown[24].luma, whole[24].luma)


def test_damaged_packets_are_counted_not_fatal(tmp_path, films, caplog):
    path = ffmpeg("-i", films("24").path, "-c", "copy", tmp_path / "rot.mkv")
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(7)
    for place in rng.integers(len(data) // 2, len(data), 200):
        data[place] ^= rng.integers(1, 256)
    path.write_bytes(data)
    assert pictures(probe(path))[-1].end > 4
    assert "damaged" in caplog.text


def test_a_larger_picture_keeps_its_shape(tmp_path):
    wide = [*source(24, 0.2), "-vf", "scale=640:360", *X264, tmp_path / "wide.mp4"]
    first = next(p for p in decode_pictures(probe(ffmpeg(*wide))) if p.repeats)
    assert first.larger is not None and first.rgb is not None
    larger = first.larger()
    assert larger.shape == (216, 384, 3) and larger.dtype == np.uint8
    small = np.asarray(Image.fromarray(larger).resize((224, 224), Image.Resampling.BILINEAR))
    assert np.abs(small.astype(int) - first.rgb).mean() < 3
    turned = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", 90, "-i", tmp_path / "wide.mp4", "-c", "copy", turned)
    first = next(p for p in decode_pictures(probe(turned)) if p.repeats)
    assert first.larger is not None and first.rgb is not None
    tall = first.larger()
    assert tall.shape == (384, 216, 3)
    small = np.asarray(Image.fromarray(tall).resize((224, 224), Image.Resampling.BILINEAR))
    assert np.abs(small.astype(int) - first.rgb).mean() < 3
