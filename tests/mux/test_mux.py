"""Sound meets picture: the same instant, untouched packets, nothing lost, for each container."""

import os
import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from foleycli.clip.find import VIDEO_SUFFIXES
from foleycli.clip.probe import probe
from foleycli.errors import FoleyError, MediaError, OutputExistsError, UsageError
from foleycli.mux import mux
from foleycli.mux.containers import CONTAINERS
from foleycli.mux.ffmpeg import find_ffmpeg
from foleycli.mux.mux import check_mux, mux_audio
from foleycli.mux.verify import verify_picture
from foleycli.waveform.write import write_waveform

pytestmark = pytest.mark.usefixtures("each_ffmpeg")

RATE = 48_000
X264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"
FLASH_FRAME = 24  # white for two frames
HUM = "-f lavfi -i sine=f=50:r=48000:d=2,volume=-30dB"


def ffmpeg(arguments, *rest):
    command = [find_ffmpeg(), "-v", "error", "-y", *arguments.split(), *map(str, rest)]
    subprocess.run(command, check=True, capture_output=True)


def flash(rate="24", size="160x90"):
    white = f"between(n\\,{FLASH_FRAME}\\,{FLASH_FRAME + 1})"
    return f"-f lavfi -i color=black:s={size}:r={rate}:d=2,drawbox=c=white:t=fill:enable={white}"


def write_click(path, rate=Fraction(24), offset=Fraction(0), level=0.9):
    """Silence, then a loud click at the flash."""
    sound = np.zeros(2 * RATE, np.float32)
    start = round((FLASH_FRAME / rate - offset) * RATE)
    sound[start : start + 2400] = level * np.sign(np.sin(0.4 * np.arange(2400) + 1e-3))
    write_waveform(path, [sound], RATE, overwrite=True)
    return path


def flash_time(path):
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            if frame.to_ndarray(format="gray").mean() > 128:
                return frame.pts * frame.time_base
    raise AssertionError("no flash")


def sound_of(path, number=-1):
    """(samples, channels), and the time of the first of them."""
    with av.open(str(path)) as file:
        frames = list(file.decode(file.streams.audio[number]))
    start = frames[0].pts * frames[0].time_base
    resampler = av.AudioResampler("flt")
    blocks = [f.to_ndarray().reshape(-1, f.layout.nb_channels) for frame in frames
              for f in resampler.resample(frame)]  # fmt: skip
    return np.concatenate(blocks), start


def click_time(path, number=-1):
    sound, start = sound_of(path, number)
    return start + Fraction(int(np.argmax(np.abs(sound[:, 0]) > 0.3)), RATE)


FILMS = {
    "plain.mp4": (24, f"{X264} -bf 2"),
    "drop.mov": (Fraction(30_000, 1001), f"{X264} -timecode 01:00:59;28"),
    "late.mp4": (24, f"{X264} -bf 2 -output_ts_offset 0.5 -avoid_negative_ts disabled"),
    "late.mkv": (24, f"{X264} -bf 2 -output_ts_offset 10"),
    "hum.ts": (24, f"{X264} -c:a mp2 -output_ts_offset 10"),
    "hum.mxf": (25, "-c:v mpeg2video -pix_fmt yuv422p -bf 2 -c:a pcm_s16le -timecode 10:00:00:00"),
    "vp9.webm": (24, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8"),
}
WITH_HUM = ("hum.ts", "hum.mxf")


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """Films with a white flash, each made once when it is asked for."""
    folder = tmp_path_factory.mktemp("films")

    def film(name):
        path = folder / name
        if not path.exists():
            rate, codec = FILMS[name]
            hum = HUM if name in WITH_HUM else ""
            ffmpeg(f"{flash(str(rate))} {hum} {codec}", path)
        return path, Fraction(FILMS[name][0])

    return film


@pytest.mark.parametrize(
    ("name", "suffix", "codec"),
    [
        ("plain.mp4", ".mp4", None),
        ("plain.mp4", ".mp4", "alac"),
        ("plain.mp4", ".mov", None),
        ("plain.mp4", ".mkv", None),
        ("drop.mov", ".mov", None),
        ("late.mp4", ".mp4", None),
        ("late.mkv", ".mp4", None),
        ("late.mkv", ".mkv", None),
        ("hum.ts", ".ts", None),
        ("hum.ts", ".mov", None),
        ("hum.mxf", ".mxf", None),
        ("vp9.webm", ".webm", None),
    ],
)
def test_flash_and_click_are_the_same_instant(films, tmp_path, name, suffix, codec):
    path, rate = films(name)
    clip, out = probe(path), tmp_path / f"out{suffix}"
    mux_audio(clip, write_click(tmp_path / "click.wav", rate), out, codec=codec)
    assert abs(click_time(out) - flash_time(out)) < Fraction(1, 1000)
    proof = verify_picture(clip, out)
    assert proof.packets in (48, 50, 60) and not proof.lost


def test_a_picture_that_starts_after_its_sound(tmp_path):
    path = tmp_path / "late.mov"
    ffmpeg(f"-itsoffset 0.5 {flash()} {HUM} -map 0 -map 1 {X264} -fps_mode passthrough", path)
    for mode in ("track", "mix", "duck", "replace"):
        out = tmp_path / f"{mode}.mov"
        mux_audio(probe(path), write_click(tmp_path / "click.wav"), out, mode)
        number = 0 if mode in ("mix", "duck") else -1
        assert abs(click_time(out, number) - flash_time(out)) < Fraction(1, 1000), mode


@pytest.mark.parametrize(
    ("layout", "heard"), [("quad", [0, 1]), ("5.1(side)", [2]), ("5.1", [2]), ("2.1", [0, 1])]
)
def test_a_mix_keeps_the_speakers_and_plays_from_the_middle(tmp_path, layout, heard):
    path, out = tmp_path / "many.mov", tmp_path / "mix.mov"
    silence = f"-f lavfi -i anullsrc=r=48000:cl={layout} -t 2 -c:a pcm_s24le"
    ffmpeg(f"{flash()} {silence} -map 0 -map 1 {X264}", path)
    clip = probe(path)
    mux_audio(clip, write_click(tmp_path / "click.wav"), out, "mix")
    assert probe(out).audio[0].layout == clip.audio[0].layout == layout
    sound, _ = sound_of(out, 0)
    assert np.flatnonzero(np.abs(sound).max(axis=0) > 0.1).tolist() == heard


OPUS = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus"


@pytest.mark.parametrize(
    ("name", "codec"),
    [("early.ts", f"{X264} -bf 2 -c:a aac"), ("early.mpg", "-bf 2"), ("opus.webm", OPUS)],
)
def test_whatever_the_clips_own_sound_does_ours_is_in_time(tmp_path, name, codec):
    """ffmpeg counts from the first stream it uses in .ts, from the lead of Opus in .webm."""
    path = tmp_path / name
    late = "" if "opus" in name else "-itsoffset 0.5"
    ffmpeg(f"{late} {flash('25')} {HUM} -map 0 -map 1 -fps_mode passthrough {codec}", path)
    click = write_click(tmp_path / "click.wav", Fraction(25))
    for mode in ("track", "mix", "replace"):
        out = tmp_path / f"{mode}.mov" if "opus" not in name else tmp_path / f"{mode}.mkv"
        mux_audio(probe(path), click, out, mode)
        number = 0 if mode == "mix" else -1
        assert abs(click_time(out, number) - flash_time(out)) < Fraction(1, 1000), mode


def test_a_span_lies_at_its_place_and_the_picture_stays_whole(films, tmp_path):
    path, rate = films("plain.mp4")
    offset = Fraction(1, 3)
    click = write_click(tmp_path / "click.wav", rate, offset)
    mux_audio(probe(path), click, tmp_path / "out.mov", offset=offset)
    assert abs(click_time(tmp_path / "out.mov") - flash_time(tmp_path / "out.mov")) < 1e-4
    assert verify_picture(probe(path), tmp_path / "out.mov").packets == 48


@pytest.mark.parametrize("codec", [None, "flac", "alac"])
def test_lossless_sound_is_exact_to_the_sample(films, tmp_path, codec):
    clip = probe(films("plain.mp4")[0])
    given = (np.random.default_rng(0).uniform(-0.5, 0.5, 96_096 - 7)).astype(np.float32)
    write_waveform(tmp_path / "a.wav", [given], RATE)
    out = tmp_path / ("out.mov" if codec is None else "out.mp4")
    mux_audio(clip, tmp_path / "a.wav", out, codec=codec)
    heard, start = sound_of(out)
    assert start == 0 and heard.shape == (len(given), 1)
    assert np.abs(heard[:, 0] - given).max() < 2**-23


def test_aac_plays_exactly_as_long_as_the_sound(films, tmp_path):
    write_waveform(tmp_path / "a.wav", [np.zeros(50_001, np.float32)], RATE)
    mux_audio(probe(films("plain.mp4")[0]), tmp_path / "a.wav", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as file:
        track = file.streams.audio[0]
        assert track.duration * track.time_base * RATE == 50_001


SUBTITLES = "1\n00:00:00,200 --> 00:00:01,000\nLine\n\n"
CHAPTERS = ";FFMETADATA1\ntitle=Sc 12 — the walk\n" + "".join(
    f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={start + 1000}\ntitle={start}\n"
    for start in (0, 1000)
)


@pytest.fixture(scope="session")
def full_house(tmp_path_factory):
    """Dialogue, a 5.1 mix, subtitles, chapters, a title and timecode in one file."""
    folder = tmp_path_factory.mktemp("house")
    (folder / "s.srt").write_text(SUBTITLES)
    (folder / "m.txt").write_text(CHAPTERS)
    ffmpeg(
        f"{flash()} {HUM} {HUM} -i {folder}/s.srt -i {folder}/m.txt -map 0 -map 1 -map 2 -map 3"
        f" -map_metadata 4 -map_chapters 4 {X264} -c:a pcm_s24le -ac:a:1 6 -c:s mov_text"
        " -metadata:s:a:0 language=eng -metadata:s:a:0 handler_name=DIALOGUE"
        " -color_trc bt709 -timecode 01:00:00:00",
        folder / "house.mov",
    )
    return folder / "house.mov"


@pytest.mark.parametrize("mode", ["track", "mix", "replace"])
def test_everything_else_survives(full_house, tmp_path, mode):
    before = probe(full_house)
    mux_audio(before, write_click(tmp_path / "click.wav"), tmp_path / "out.mov", mode)
    after = probe(tmp_path / "out.mov")
    assert after.title == "Sc 12 — the walk" and after.chapters == 2
    assert after.timecode == before.timecode and after.transfer == before.transfer
    assert len(after.subtitles) == 1
    names = [(track.title, track.channels, track.is_default) for track in after.audio]
    assert (
        names
        == {
            "track": [("DIALOGUE", 1, True), ("", 6, False), ("Foley", 1, False)],
            "mix": [("Foley mix", 1, True), ("DIALOGUE", 1, False), ("", 6, False)],
            "replace": [("Foley", 1, True)],
        }[mode]
    )


def test_a_commentary_stays_one(tmp_path):
    path = tmp_path / "talk.mkv"
    kinds = "-disposition:a:0 comment -disposition:a:1 default+dub"
    ffmpeg(f"{flash()} {HUM} {HUM} -map 0 -map 1 -map 2 {X264} -c:a flac {kinds}", path)
    comment, dub, default = Disposition.comment, Disposition.dub, Disposition.default
    kept = {"track": [comment, default | dub, 0], "mix": [default, comment, dub]}
    for mode, dispositions in kept.items():
        out = tmp_path / f"{mode}.mkv"
        mux_audio(probe(path), write_click(tmp_path / "click.wav"), out, mode)
        with av.open(str(out)) as file:
            assert [track.disposition for track in file.streams.audio] == dispositions, mode


def test_other_containers_take_what_they_can_and_say_what_not(full_house, tmp_path, caplog):
    clip, click = probe(full_house), write_click(tmp_path / "click.wav")
    mux_audio(clip, click, tmp_path / "out.mkv")
    after = probe(tmp_path / "out.mkv")
    assert [t.title for t in after.audio] == ["DIALOGUE", "", "Foley"]
    assert after.timecode == clip.timecode
    assert len(after.subtitles) == 1 and after.chapters == 2 and not caplog.records
    mux_audio(clip, click, tmp_path / "out.mp4")
    assert [t.codec for t in probe(tmp_path / "out.mp4").audio] == ["aac"] * 3
    assert "pcm_s24le sound, which .mov keeps; it becomes aac" in caplog.text
    caplog.clear()
    mux_audio(clip, click, tmp_path / "out.ts")
    for lost in ("chapters", "title", "timecode"):
        assert f"no {lost}; left out" in caplog.text


def test_drop_frame_timecode_survives(films, tmp_path):
    path, rate = films("drop.mov")
    for name in ("out.mov", "out.mp4"):
        mux_audio(probe(path), write_click(tmp_path / "click.wav", rate), tmp_path / name)
        assert probe(tmp_path / name).timecode == probe(path).timecode
        assert probe(tmp_path / name).timecode.drop


def test_rotation_survives(films, tmp_path):
    path, _ = films("plain.mp4")
    turned = tmp_path / "turned.mp4"
    try:
        ffmpeg(f"-display_rotation:v:0 90 -i {path} -c copy", turned)  # ffmpeg 6 and later
    except subprocess.CalledProcessError:
        ffmpeg(f"-i {path} -c copy -metadata:s:v:0 rotate=90", turned)
    mux_audio(probe(turned), write_click(tmp_path / "click.wav"), tmp_path / "out.mp4")
    assert probe(turned).rotation in (90, 270)
    assert probe(turned).rotation == probe(tmp_path / "out.mp4").rotation


def test_mix_is_the_sum_under_the_ceiling(full_house, tmp_path):
    click = write_click(tmp_path / "click.wav", level=0.5)
    mux_audio(probe(full_house), click, tmp_path / "out.mov", "mix")
    mixed, _ = sound_of(tmp_path / "out.mov", 0)
    dialogue, _ = sound_of(full_house, 0)
    given, _ = sound_of(click, 0)
    assert np.abs(mixed - dialogue - given).max() < 2**-22


def test_a_raw_stream_with_b_frames_gets_its_times(films, tmp_path):
    raw = tmp_path / "raw.h264"
    ffmpeg(f"-i {films('plain.mp4')[0]} -c copy -bsf:v h264_mp4toannexb -f h264", raw)
    for name in ("out.mov", "out.mkv"):
        mux_audio(probe(raw), write_click(tmp_path / "click.wav"), tmp_path / name)
        assert verify_picture(probe(raw), tmp_path / name).packets == 48
        assert abs(click_time(tmp_path / name) - flash_time(tmp_path / name)) < Fraction(1, 1000)
    with pytest.raises(UsageError, match="-o"):
        mux_audio(probe(raw), tmp_path / "click.wav", tmp_path / "out.h264")


def test_names_that_break_command_lines(films, tmp_path):
    path, _ = films("plain.mp4")
    for name in ("-dash.mp4", "sp ace 'q\"uote é 日本 %d [x].mp4", "a:b.mp4"):
        strange = tmp_path / name
        strange.write_bytes(path.read_bytes())
        out = tmp_path / f"out {name}"
        mux_audio(probe(strange), write_click(tmp_path / "click.wav"), out)
        assert verify_picture(probe(strange), out).packets == 48


@pytest.mark.parametrize(
    ("suffix", "error", "words"),
    [
        (".webm", FoleyError, "VP8 or VP9.*h264.*\\.mov or \\.mp4 or \\.mkv"),
        (".avi", FoleyError, "do not keep h264 pictures"),
        (".wav", UsageError, "cannot put picture"),
        (".xyz", UsageError, "cannot put picture"),
    ],
)
def test_what_cannot_hold_the_picture_is_known_before_the_slow_part(
    films, tmp_path, suffix, error, words
):
    clip = probe(films("plain.mp4")[0])
    check_mux(clip, tmp_path / "out.mov")
    with pytest.raises(error, match=words):
        check_mux(clip, tmp_path / f"out{suffix}")
    assert not list(tmp_path.iterdir())


def test_a_stream_that_would_be_unreadable_is_not_written(films, tmp_path):
    path = tmp_path / "prores.mov"
    ffmpeg(f"{flash()} -c:v prores_ks", path)
    with pytest.raises(FoleyError, match="do not keep prores pictures"):
        check_mux(probe(path), tmp_path / "out.ts")
    with pytest.raises(FoleyError, match="do not keep h264 pictures"):
        check_mux(probe(films("plain.mp4")[0]), tmp_path / "out.wmv")


def test_uncompressed_pictures_stay_in_their_kind_of_file(tmp_path):
    path = tmp_path / "raw.mov"
    ffmpeg(f"{flash()} -c:v rawvideo -pix_fmt uyvy422", path)
    clip, click = probe(path), write_click(tmp_path / "click.wav")
    mux_audio(clip, click, tmp_path / "out.mov")
    assert verify_picture(clip, tmp_path / "out.mov").packets == 48
    with pytest.raises(FoleyError, match=r"rawvideo.*Name the output \.mov"):
        check_mux(clip, tmp_path / "out.mkv")


def pgs(*times):
    """Blu-ray subtitles that show nothing, at times in seconds."""

    def segment(time, kind, content):
        return b"PG" + struct.pack(">IIBH", time * 90_000, 0, kind, len(content)) + content

    empty = struct.pack(">HHBHBBBB", 160, 90, 0x10, 0, 0x80, 0, 0, 0)
    return b"".join(segment(time, 0x16, empty) + segment(time, 0x80, b"") for time in times)


def test_codecs_are_known_by_their_own_names(tmp_path, caplog):
    """FFmpeg's decoders are called mp3float and pgssub; what they read is copied."""
    path = tmp_path / "film.mkv"
    (tmp_path / "s.sup").write_bytes(pgs(0, 1))
    ffmpeg(f"{flash()} {HUM} -i {tmp_path}/s.sup -map 0 -map 1 -map 2 {X264} -c:a mp3 -c:s copy",
           path)  # fmt: skip
    clip, click = probe(path), write_click(tmp_path / "click.wav")
    assert clip.audio[0].codec == "mp3"
    for name, subtitles in {"out.mkv": ["hdmv_pgs_subtitle"], "out.mp4": []}.items():
        mux_audio(clip, click, tmp_path / name)
        after = probe(tmp_path / name)
        assert after.audio[0].codec == "mp3" and "mp3 sound" not in caplog.text
        assert [stream.codec for stream in after.subtitles] == subtitles


def test_mxf_takes_sound_at_48_khz_only(tmp_path, caplog):
    path = tmp_path / "music.mov"
    ffmpeg(f"{flash('25')} {HUM} -c:v mpeg2video -c:a pcm_s16le -ar 44100", path)
    mux_audio(probe(path), write_click(tmp_path / "click.wav"), tmp_path / "out.mxf")
    assert [track.sample_rate for track in probe(tmp_path / "out.mxf").audio] == [RATE, RATE]
    assert "44100 Hz" in caplog.text


def test_a_gif_is_refused_with_the_command_that_helps(tmp_path):
    ffmpeg("-f lavfi -i testsrc2=s=64x36:r=10:d=0.5", tmp_path / "a.gif")
    with pytest.raises(MediaError, match="ffmpeg -i"):
        check_mux(probe(tmp_path / "a.gif"), tmp_path / "out.mov")


def test_outputs_are_safe(films, tmp_path):
    clip, click = probe(films("plain.mp4")[0]), write_click(tmp_path / "click.wav")
    with pytest.raises(UsageError, match="input itself"):
        mux_audio(clip, click, clip.path, overwrite=True)
    (tmp_path / "out.mp4").write_text("mine")
    with pytest.raises(OutputExistsError):
        mux_audio(clip, click, tmp_path / "out.mp4")
    with pytest.raises(FoleyError):
        mux_audio(clip, click, tmp_path / "out.webm")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["click.wav", "out.mp4"]


def test_verify_tells_a_changed_picture(films, tmp_path):
    clip = probe(films("plain.mp4")[0])
    ffmpeg(f"-i {clip.path} {X264} -qp 30", tmp_path / "coded_anew.mp4")
    with pytest.raises(FoleyError, match="packet 0"):
        verify_picture(clip, tmp_path / "coded_anew.mp4")
    ffmpeg(f"-i {clip.path} -c copy -t 1", tmp_path / "cut.mp4")
    with pytest.raises(FoleyError, match="not the clip's"):
        verify_picture(clip, tmp_path / "cut.mp4")
    damaged = bytearray(Path(clip.path).read_bytes())
    with av.open(str(clip.path)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
    place = packets[30].pos + packets[30].size - 1
    damaged[place] ^= 1
    (tmp_path / "damaged.mp4").write_bytes(damaged)
    with pytest.raises(FoleyError, match="packet 30"):
        verify_picture(clip, tmp_path / "damaged.mp4")


def test_whatever_is_taken_from_a_folder_can_be_written():
    assert CONTAINERS.keys() >= VIDEO_SUFFIXES


def test_what_was_tried_before_is_not_tried_again(films, tmp_path, monkeypatch):
    """`check_mux`, then `mux_audio`: one trial and the file; a film that changed is tried anew."""
    path, rate = films("plain.mp4")
    clip_path, out = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    clip_path.write_bytes(path.read_bytes())
    sound, runs, run = write_click(tmp_path / "click.wav", rate), [], mux.run_ffmpeg

    def counted(spec, doing):
        runs.append(doing)
        run(spec, doing)

    monkeypatch.setattr(mux, "run_ffmpeg", counted)
    check_mux(probe(clip_path), out)
    mux_audio(probe(clip_path), sound, out)
    assert len(runs) == 2
    os.utime(clip_path, (1, 1))
    mux_audio(probe(clip_path), sound, out, overwrite=True)
    assert len(runs) == 4
