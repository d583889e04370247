"""What is read from a file's header and first picture, and which files are refused how."""

import subprocess
from fractions import Fraction

import pytest

from foleycli.clip.media import content_hash
from foleycli.clip.probe import probe
from foleycli.errors import MediaError
from foleycli.mux.soundtrack import read_soundtrack

X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
TEST = ["-f", "lavfi", "-i", "testsrc2=s=64x36:r=24:d=0.5"]
TONE = ["-f", "lavfi", "-i", "sine=r=48000:d=0.5"]


def ffmpeg(*arguments):
    command = ["ffmpeg", "-y", "-loglevel", "error", "-nostdin", *map(str, arguments)]
    subprocess.run(command, check=True)
    return arguments[-1]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return ffmpeg(*TEST, *X264, tmp_path_factory.mktemp("probe") / "film.mp4")


def test_everything_of_a_full_file_is_listed(tmp_path):
    subtitles = tmp_path / "lines.srt"
    subtitles.write_text("1\n00:00:00,100 --> 00:00:00,400\nA line\n")
    tags = tmp_path / "tags.txt"
    tags.write_text(
        ";FFMETADATA1\ntitle=Sc 12 — the walk\n[CHAPTER]\nTIMEBASE=1/10\nSTART=0\nEND=5\n"
    )
    names = ["-metadata:s:a:0", "handler_name=DIALOGUE", "-metadata:s:a:0", "language=eng"]
    clip = probe(
        ffmpeg(
            *TEST, *TONE, *TONE, "-i", subtitles, "-i", tags, "-map", 0, "-map", 1, "-map", 2,
            "-map", 3, "-map_metadata", 4, *X264, "-c:a", "pcm_s24le", "-ac:a:0", 1, "-ac:a:1", 6,
            "-c:s", "mov_text", *names, "-timecode", "01:00:00:00", tmp_path / "full.mov",
        )
    )  # fmt: skip
    assert (clip.codec, clip.width, clip.height, clip.frame_rate) == ("h264", 64, 36, 24)
    assert (clip.duration, clip.start, str(clip.timecode)) == (Fraction(1, 2), 0, "01:00:00:00")
    assert [(a.channels, a.sample_rate, a.codec) for a in clip.audio] == [
        (1, 48_000, "pcm_s24le"),
        (6, 48_000, "pcm_s24le"),
    ]
    assert (clip.audio[0].title, clip.audio[0].language) == ("DIALOGUE", "eng")
    assert clip.audio[1].layout == "5.1"
    assert [s.codec for s in clip.subtitles] == ["mov_text"]
    assert (clip.chapters, clip.title) == (1, "Sc 12 — the walk")
    assert clip.data  # the timecode track


def test_channels_in_an_order_of_their_own_are_read(tmp_path):
    """ffmpeg writes 7.1 into a .mov as FL FR FC LFE SL SR BL BR, not the order of its own 7.1."""
    tone = ["-f", "lavfi", "-i", "anullsrc=r=48000:cl=7.1:d=0.5"]
    clip = probe(ffmpeg(*TEST, *tone, *X264, "-c:a", "pcm_s24le", tmp_path / "wide.mov"))
    assert clip.audio[0].channels == 8
    heard = list(read_soundtrack(clip.path, clip.audio[0].index, 48_000))
    assert {block.shape[1] for block in heard} == {8} and sum(map(len, heard)) == 24_000


@pytest.mark.parametrize(
    ("rate", "label", "drop"),
    [("24000/1001", "01:00:00:00", False), ("30000/1001", "01:00:59;28", True)],
)
@pytest.mark.parametrize("suffix", ["mov", "mxf", "mpg"])
def test_timecode_is_found_in_every_container(tmp_path, rate, label, drop, suffix):
    source = ["-f", "lavfi", "-i", f"testsrc2=s=64x36:r={rate}:d=0.2"]
    path = tmp_path / f"tc.{suffix}"
    clip = probe(ffmpeg(*source, "-c:v", "mpeg2video", "-timecode", label, path))
    assert str(clip.timecode) == label
    assert clip.timecode and clip.timecode.drop == drop
    assert clip.frame_rate == Fraction(rate)


def test_timecode_of_matroska_is_found_in_capitals(tmp_path):
    clip = probe(ffmpeg(*TEST, *X264, "-timecode", "01:00:00:00", tmp_path / "tc.mkv"))
    assert str(clip.timecode) == "01:00:00:00"


def test_first_picture_and_container_start_are_told_apart(tmp_path):
    clip = probe(ffmpeg(*TEST, *TONE, *X264, "-output_ts_offset", 10, tmp_path / "late.ts"))
    assert 11 < clip.start < 12
    assert clip.format_start <= clip.start


def test_turned_and_anamorphic_pictures_have_the_size_that_is_seen(tmp_path, film):
    wide = probe(ffmpeg(*TEST, "-vf", "setsar=2", *X264, tmp_path / "wide.mp4"))
    assert (wide.width, wide.height, wide.coded_width, wide.pixel_aspect) == (128, 36, 64, 2)
    turned = tmp_path / "turned.mp4"
    data = film.read_bytes()
    identity = b"".join(n.to_bytes(4, "big") for n in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    quarter = b"".join(
        n.to_bytes(4, "big", signed=True) for n in (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    )
    track = data.index(b"tkhd")
    turned.write_bytes(data[:track] + data[track:].replace(identity, quarter, 1))
    clip = probe(turned)
    assert (clip.width, clip.height, clip.rotation) == (36, 64, 270)


def test_cover_art_is_not_the_film(tmp_path, film):
    cover = ffmpeg(*TEST, "-frames:v", 1, tmp_path / "cover.jpg")
    both = ffmpeg(
        *("-i", cover, "-i", film, "-map", 0, "-map", 1, "-c", "copy"),
        *("-disposition:v:0", "attached_pic", tmp_path / "both.mp4"),
    )
    clip = probe(both)
    assert (clip.codec, clip.cover_art) == ("h264", True)


def test_the_picture_marked_as_default_is_used_and_said(tmp_path, film, caplog):
    other = ["-f", "lavfi", "-i", "testsrc2=s=32x18:r=24:d=0.5"]
    dispositions = ["-disposition:v:0", "0", "-disposition:v:1", "default"]
    path = tmp_path / "two.mkv"
    clip = probe(ffmpeg(*TEST, *other, "-map", 0, "-map", 1, *X264, *dispositions, path))
    assert (clip.picture_index, clip.width, len(clip.other_pictures)) == (1, 32, 1)
    assert "stream 1 is used" in caplog.text


def test_raw_streams_have_a_rate_but_no_stamps(tmp_path, film):
    raw = tmp_path / "raw.h264"
    clip = probe(ffmpeg("-i", film, "-c", "copy", "-bsf:v", "h264_mp4toannexb", raw))
    assert (clip.timed, clip.duration, clip.frame_rate) == (False, None, 24)


def refusal(path):
    with pytest.raises(MediaError) as caught:
        probe(path)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    assert caught.value.remedy.endswith((".", "mp4"))
    return caught.value.problem


def test_what_is_no_film_is_refused_in_words(tmp_path, film):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is not a movie\n")
    (tmp_path / "cut.mp4").write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "link.mp4").symlink_to("nowhere.mp4")
    (tmp_path / "one.mp4").symlink_to("other.mp4")
    (tmp_path / "other.mp4").symlink_to("one.mp4")
    sound = ffmpeg(*TONE, tmp_path / "sound.wav")
    image = ffmpeg(*TEST, "-frames:v", 1, tmp_path / "image.png")
    assert "does not exist" in refusal(tmp_path / "missing.mp4")
    assert "empty" in refusal(tmp_path / "empty.mp4")
    assert "not a film" in refusal(tmp_path / "text.mp4")
    assert "moov" in refusal(tmp_path / "cut.mp4")
    assert "folder" in refusal(tmp_path / "folder.mp4")
    assert "link to nowhere.mp4" in refusal(tmp_path / "link.mp4")
    assert "in a loop" in refusal(tmp_path / "one.mp4")
    assert "no moving picture" in refusal(sound)
    assert "still picture" in refusal(image)


@pytest.mark.parametrize("name", ["-dash.mp4", "a:b é %d 'q\" [x].mp4", "noext", "http:x.mp4"])
def test_any_name_will_do(tmp_path, film, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(film.read_bytes())
    assert probe(name).frame_rate == 24


def test_a_playlist_reaches_no_other_file(tmp_path, film):
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/x.ts\n")
    assert "list of films" in refusal(playlist)


def test_content_hash_tells_files_apart_not_names(tmp_path, film):
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(film.read_bytes())
    assert content_hash(copy) == content_hash(film)
    copy.write_bytes(film.read_bytes() + b"x")
    assert content_hash(copy) != content_hash(film)


def test_content_hash_of_a_large_file_sees_head_middle_and_tail(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(8 << 20))
    hashes = {content_hash(path)}
    for place in (0, 4 << 20, (8 << 20) - 1):
        data = bytearray(8 << 20)
        data[place] = 1
        path.write_bytes(data)
        hashes.add(content_hash(path))
    assert len(hashes) == 4
