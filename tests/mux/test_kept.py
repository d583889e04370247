"""What FFmpeg plays is sounded, and what is lost is said: tracks that a kind of file cannot take,
and what stands beside the picture."""

import re
import struct

import av
import numpy as np
import pytest

from foleycli.clip.find import name_output
from foleycli.clip.probe import probe
from foleycli.errors import MediaError, UsageError
from foleycli.frames.decode import decode_pictures
from foleycli.mux import mux
from foleycli.mux.look import keenest_ffmpeg, look, read_listing
from foleycli.mux.mux import check_mux, mux_audio
from foleycli.mux.verify import compare_times, verify_picture
from foleycli.pages.edit.film import Film
from foleycli.timeline.markers import clip_timeline
from foleycli.waveform.write import write_waveform
from tests.mux.isobmff import box, change_entry, with_boxes
from tests.mux.test_mux import HUM, X264, ffmpeg, sound_of

pytestmark = pytest.mark.usefixtures("each_ffmpeg")

PICTURE = "-f lavfi -i testsrc2=s=160x90:r=25:d=1"
TONE = "-f lavfi -i sine=f={}:r=48000:d=1"


@pytest.fixture
def click(tmp_path):
    sound = np.zeros(48_000, np.float32)
    sound[24_000:24_100] = 0.5
    write_waveform(tmp_path / "click.wav", [sound], 48_000)
    return tmp_path / "click.wav"


def codecs(path):
    return [track.codec for track in probe(path).audio]


# Tracks -----------------------------------------------------------------------------------------


def as_apac(entry: bytes) -> bytes:
    """An AAC track under the name of Apple's spatial sound, which no FFmpeg reads."""
    return box(b"apac", entry[8:].replace(b"esds", b"dapa").replace(b"wave", b"wavx"))


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
def test_sound_that_nobody_reads_is_left_out_by_its_name(tmp_path, click, caplog, suffix):
    ffmpeg(f"{PICTURE} {HUM} {HUM} -map 0 -map 1 -map 2 {X264} -c:a aac -t 1", tmp_path / "a.mov")
    clip = change_entry(tmp_path / "a.mov", tmp_path / "apac.mov", b"soun", as_apac, number=1)
    out = tmp_path / f"out{suffix}"
    mux_audio(probe(clip), click, out)
    assert codecs(out)[0] == "aac" and len(codecs(out)) == 2
    assert "apac sound is left out" in caplog.text and "audio track 2" in caplog.text
    assert b"dapa" not in out.read_bytes() and b"apac" not in out.read_bytes()


def test_subtitles_of_an_unknown_kind_are_left_out(tmp_path, click, caplog):
    (tmp_path / "s.srt").write_text("1\n00:00:00,200 --> 00:00:00,800\nhi\n")
    known = tmp_path / "known.mkv"
    ffmpeg(f"{PICTURE} -i {tmp_path}/s.srt -map 0 -map 1 {X264} -c:s srt", known)
    strange = tmp_path / "strange.mkv"
    strange.write_bytes(known.read_bytes().replace(b"S_TEXT/UTF8", b"S_TEXT/XTF8"))
    mux_audio(probe(strange), click, tmp_path / "out.mkv")
    assert not probe(tmp_path / "out.mkv").subtitles
    assert "unknown subtitles; they are left out (subtitle track 1)" in caplog.text


def test_pcm_in_mp4_as_cameras_write_it(tmp_path, click, caplog):
    """Sony's XAVC: ffmpeg 5 writes no PCM into .mp4, newer ones do."""
    ffmpeg(f"{PICTURE} {HUM} {X264} -c:a pcm_s16be -t 1", tmp_path / "p.mov")
    camera = (tmp_path / "p.mov").read_bytes()
    brand = box(b"ftyp", b"XAVC" + struct.pack(">I", 0x0100_01FF) + b"XAVCmp42iso2")
    (size,) = struct.unpack_from(">I", camera)
    clip = tmp_path / "C0001.MP4"
    clip.write_bytes(brand + box(b"free", bytes(size - len(brand) - 8)) + camera[size:]
                     if size >= len(brand) + 8 else camera)  # fmt: skip
    check_mux(probe(clip), tmp_path / "out.MP4")
    mux_audio(probe(clip), click, tmp_path / "out.MP4")
    first, ours = codecs(tmp_path / "out.MP4")
    assert ours == "aac" and first in ("pcm_s16be", "aac")
    assert (first == "aac") == ("pcm_s16be sound, which .mov keeps; it becomes aac" in caplog.text)


def test_what_a_container_refuses_only_when_tried_becomes_another_codec(tmp_path, click, caplog):
    """A phone's AMR in .3gp: the tables let it through, ffmpeg does not."""
    ffmpeg(f"{PICTURE} {HUM} -s 176x144 -c:v h263 -c:a aac -ar 8000 -ac 1 -t 1", tmp_path / "a.3gp")

    def as_amr(entry: bytes) -> bytes:
        return box(b"samr", entry[8:36] + box(b"damr", b"FFMP\0\x81\xff\0\1"))

    clip = change_entry(tmp_path / "a.3gp", tmp_path / "phone.3gp", b"soun", as_amr)
    assert codecs(clip) == ["amr_nb"]
    mux_audio(probe(clip), click, tmp_path / "out.3gp")
    assert codecs(tmp_path / "out.3gp") == ["aac", "aac"]
    assert (
        "amr_nb sound, which .mov keeps; it becomes aac" in caplog.text or "amr_nb" in caplog.text
    )


def test_of_many_tracks_only_the_one_that_fails_is_changed(tmp_path, click, caplog):
    clip = tmp_path / "many.nut"
    ffmpeg(f"{PICTURE} {HUM} {HUM} {HUM} -map 0 -map 1 -map 2 -map 3 {X264} -c:a:0 flac"
           " -c:a:1 adpcm_ms -c:a:2 aac -t 1", clip)  # fmt: skip
    mux_audio(probe(clip), click, tmp_path / "out.mp4")
    assert codecs(tmp_path / "out.mp4") == ["flac", "aac", "aac", "aac"]
    assert "adpcm_ms sound; it becomes aac (audio track 2)" in caplog.text
    assert len(caplog.records) == 1


def test_channels_that_an_encoder_cannot_take_are_folded_and_that_is_said(tmp_path, click, caplog):
    clip = tmp_path / "six.mkv"
    six = "-f lavfi -i anullsrc=r=48000:cl=5.1:d=1"
    ffmpeg(f"{PICTURE} {six} -map 0 -map 1 -c:v mpeg2video -c:a flac -t 1", clip)
    mux_audio(probe(clip), click, tmp_path / "out.mpg")
    own, ours = probe(tmp_path / "out.mpg").audio
    assert (own.codec, own.channels, ours.codec) == ("ac3", 6, "mp2")
    mux_audio(probe(clip), click, tmp_path / "mix.mpg", "mix")
    assert [track.channels for track in probe(tmp_path / "mix.mpg").audio] == [6, 6]
    ffmpeg(f"{PICTURE} {six} -map 0 -map 1 -c:v wmv2 -c:a flac -t 1", tmp_path / "wm.mkv")
    mux_audio(probe(tmp_path / "wm.mkv"), click, tmp_path / "out.wmv")
    assert [track.channels for track in probe(tmp_path / "out.wmv").audio] == [2, 1]
    assert "flac sound, which .mkv keeps; it becomes wmav2 with 2 of 6 channels" in caplog.text


def test_data_is_named_when_it_is_left_out(tmp_path, click, caplog):
    clip = tmp_path / "klv.ts"
    (tmp_path / "d.bin").write_bytes(bytes(range(200)))
    ffmpeg(f"{PICTURE} -f data -i {tmp_path}/d.bin -map 0 -map 1 {X264} -c:d copy", clip)
    mux_audio(probe(clip), click, tmp_path / "out.ts")
    assert re.search(r"the data of stream \d+ \(\w+.*\) is left out", caplog.text)


def test_a_file_with_room_for_one_sound_says_what_to_do(tmp_path, click, caplog):
    clip = tmp_path / "a.flv"
    ffmpeg(f"{PICTURE} {HUM} {X264} -c:a aac -t 1", clip)
    with pytest.raises(UsageError, match=r"room for one sound.*--replace or --mix.*\.mp4"):
        check_mux(probe(clip), tmp_path / "out.flv")
    for mode in ("mix", "duck", "replace"):
        check_mux(probe(clip), tmp_path / f"{mode}.flv", mode)
        mux_audio(probe(clip), click, tmp_path / f"{mode}.flv", mode)
        assert codecs(tmp_path / f"{mode}.flv") == ["aac"]
    assert "room for one sound; the clip's own is left out" in caplog.text
    silent = tmp_path / "silent.flv"
    ffmpeg(f"-i {clip} -c copy -an", silent)
    mux_audio(probe(silent), click, tmp_path / "sounded.flv")
    assert codecs(tmp_path / "sounded.flv") == ["aac"]


def test_what_cannot_be_muxed_is_a_matter_of_usage_with_advice_that_holds(tmp_path):
    clip = tmp_path / "a.webm"
    ffmpeg(f"{PICTURE} -c:v libvpx-vp9 -deadline realtime -cpu-used 8", clip)
    with pytest.raises(UsageError, match=r"vp9.*Name the output \.mp4 or \.mkv") as refused:
        check_mux(probe(clip), tmp_path / "out.mov")
    assert "H.264" not in str(refused.value) and refused.value.exit_code == 2
    check_mux(probe(clip), tmp_path / "out.mp4")
    check_mux(probe(clip), tmp_path / "out.mkv")


def test_a_clip_that_vanishes_says_so_and_nothing_else(tmp_path, click, monkeypatch):
    clip = tmp_path / "gone.mov"
    ffmpeg(f"{PICTURE} {HUM} {X264} -c:a aac -t 1", clip)
    film = probe(clip)
    kept = clip.read_bytes()
    for stage in ("_mux_spec", "_origin", "_settled"):
        clip.write_bytes(kept)
        real = getattr(mux, stage)

        def vanishing(*args, real=real, **options):
            clip.unlink(missing_ok=True)
            return real(*args, **options)

        with monkeypatch.context() as patched:
            patched.setattr(mux, stage, vanishing)
            with pytest.raises(MediaError, match=r"^\S*gone\.mov does not exist\. Check the name"):
                mux_audio(film, click, tmp_path / "out.mov")
        assert not (tmp_path / "out.mov").exists()


def test_pictures_before_the_first_key_are_copied_too(tmp_path, click):
    """Streams with a gradual refresh never have one; ffmpeg would drop them all."""
    clip, cut = tmp_path / "whole.nut", tmp_path / "cut.nut"
    ffmpeg(f"{PICTURE} -c:v mpeg4 -g 12 -bf 0", clip)
    with av.open(str(clip)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size and number >= 5:
                packet.stream = stream
                target.mux(packet)
    mux_audio(probe(cut), click, tmp_path / "out.nut")
    assert verify_picture(probe(cut), tmp_path / "out.nut").packets == 20


def test_a_jpeg_with_exif_is_a_film_too(tmp_path):
    """PyAV knows no EXIF beside a picture."""
    tag = b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\1\0\0\0\0\0\0"
    segment = b"\xff\xe1" + struct.pack(">H", len(tag) + 2) + tag
    ffmpeg(f"{PICTURE} -c:v mjpeg", tmp_path / "plain.avi")
    clip = tmp_path / "exif.nut"
    with av.open(str(tmp_path / "plain.avi")) as source, av.open(str(clip), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                picture = bytes(packet)
                tagged = av.Packet(picture[:2] + segment + picture[2:])
                tagged.pts, tagged.dts, tagged.time_base = packet.pts, packet.dts, packet.time_base
                tagged.stream = stream
                target.mux(tagged)
    assert probe(clip).codec == "mjpeg"


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.MOV", ".MOV"), ("a.h264", ".mov"), ("a.obu", ".mkv"), ("a.rm", ".mkv"), ("a", "")],
)
def test_what_we_only_read_becomes_a_kind_that_we_write(tmp_path, name, suffix):
    assert name_output(tmp_path / name).suffix == suffix


# The main sound ---------------------------------------------------------------------------------


def test_a_mix_takes_the_default_track_and_its_language(tmp_path, click):
    clip = tmp_path / "f.mkv"
    ffmpeg(f"{PICTURE} {TONE.format(440)} {TONE.format(880)} -map 0 -map 1 -map 2 {X264} -c:a flac"
           " -disposition:a:0 comment -disposition:a:1 default -metadata:s:a:0 language=eng"
           " -metadata:s:a:1 language=jpn", clip)  # fmt: skip
    for mode in ("mix", "duck"):
        out = tmp_path / f"{mode}.mkv"
        mux_audio(probe(clip), click, out, mode)
        assert pitch(out) == pytest.approx(880, abs=5), mode
        mixed, *own = probe(out).audio
        assert (mixed.title, mixed.language) == ("Foley mix", "jpn")
        assert [track.language for track in own] == ["eng", "jpn"]


def pitch(path):
    sound, _ = sound_of(path, 0)
    spectrum = np.abs(np.fft.rfft(sound[:, 0]))
    return np.argmax(spectrum) * 48_000 / len(sound)


@pytest.mark.parametrize(
    ("marks", "heard"),
    [
        ("-disposition:a:0 comment -disposition:a:1 0", 880),
        ("-disposition:a:0 visual_impaired -disposition:a:1 0", 880),
        ("-disposition:a:0 0 -disposition:a:1 0", 440),
        ("-disposition:a:0 0 -disposition:a:1 0 -metadata:s:a:0 title=Director_Commentary", 880),
        ("-disposition:a:0 comment -disposition:a:1 comment", 440),
    ],
)
def test_where_none_is_default_the_first_that_is_no_commentary_is_mixed(tmp_path, marks, heard):
    clip = tmp_path / "f.mkv"
    ffmpeg(f"{PICTURE} {TONE.format(440)} {TONE.format(880)} -map 0 -map 1 -map 2 {X264} -c:a flac"
           f" {marks}", clip)  # fmt: skip
    main = probe(clip).main_sound
    assert main is not None
    assert main.index == {440: 1, 880: 2}[heard]


def test_the_page_and_timelines_take_the_main_sound_too(tmp_path):
    clip = tmp_path / "f.mkv"
    ffmpeg(f"{PICTURE} {TONE.format(440)} {TONE.format(880)} -map 0 -map 1 -map 2 {X264} -c:a flac"
           " -ac:a:1 2 -disposition:a:0 0 -disposition:a:1 0 -metadata:s:a:0 title=Commentary",
           clip)  # fmt: skip
    heard = Film(probe(clip)).own_sound(0, 0.5)
    assert np.argmax(np.abs(np.fft.rfft(heard))) * 48_000 / len(heard) == pytest.approx(880, abs=5)
    (media,) = {
        event.media for track in clip_timeline(probe(clip)).tracks for event in track.events
    }
    assert media is not None and media.channels == 2


# Beside the picture -----------------------------------------------------------------------------

DOLBY = box(
    b"dvvC", bytes([1, 0]) + struct.pack(">H", (8 << 9) | (5 << 3) | 5) + b"\x40" + bytes(19)
)
HDR = box(b"clli", struct.pack(">2H", 1000, 400)) + box(
    b"mdcv", struct.pack(">8H2I", 13250, 34500, 7500, 3000, 34000, 16000, 15635, 16450, 10**7, 1)
)
SPHERE = box(b"sv3d", box(b"svhd", bytes(6)) + box(b"proj", box(b"prhd", bytes(16))
             + box(b"equi", bytes(20))))  # fmt: skip
STEREO = box(b"st3d", bytes(4) + b"\x01")
CROPPED = box(b"clap", struct.pack(">8I", 140, 1, 80, 1, 0, 1, 0, 1))
BESIDE = {
    "Dolby Vision": DOLBY,
    "HDR: the content light level": HDR,
    "that it is spherical (360°)": SPHERE,
    "that it is stereoscopic": STEREO,
    "the cropping": CROPPED,
}


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize(("source", "suffix"), [(".mov", ".mov"), (".mp4", ".mp4"),
                                                (".mov", ".mp4"), (".mp4", ".mkv")])  # fmt: skip
def test_what_stands_beside_the_picture_is_kept_or_named(
    tmp_path, click, caplog, name, source, suffix
):
    ffmpeg(f"{PICTURE} {X264}", tmp_path / f"plain{source}")
    plain, clip = tmp_path / f"plain{source}", tmp_path / f"clip{source}"
    change_entry(plain, clip, b"vide", with_boxes(BESIDE[name]))
    before = look(clip, keenest_ffmpeg()).streams[0].beside
    if name not in before:
        pytest.skip("no ffmpeg here sees it")
    out = tmp_path / f"out{suffix}"
    mux_audio(probe(clip), click, out)
    after = look(out, keenest_ffmpeg()).streams[0].beside
    assert after.get(name) == before[name] or name in caplog.text
    if suffix != ".mkv":
        assert after.get(name) == before[name] and not caplog.records
    assert verify_picture(probe(clip), out).packets == 25


def test_a_file_is_as_it_was_where_a_box_does_not_fit(tmp_path, click):
    ffmpeg(f"{PICTURE} {X264}", tmp_path / "plain.mov")
    clip = tmp_path / "clip.mov"
    nonsense = box(b"sv3d", box(b"svhd", bytes(2)))  # too short: FFmpeg refuses the file
    change_entry(tmp_path / "plain.mov", clip, b"vide", with_boxes(DOLBY))
    mux_audio(probe(clip), click, tmp_path / "out.mov")
    whole = (tmp_path / "out.mov").read_bytes()
    change_entry(tmp_path / "plain.mov", clip, b"vide", with_boxes(nonsense, STEREO, CROPPED))
    from foleycli.mux.boxes import restore_boxes

    restore_boxes(clip, tmp_path / "out.mov")
    probe(tmp_path / "out.mov")
    assert len((tmp_path / "out.mov").read_bytes()) >= len(whole)


def test_flags_and_languages_that_are_lost_are_named(tmp_path, click, caplog):
    clip = tmp_path / "f.mkv"
    ffmpeg(f"{PICTURE} {HUM} {HUM} -map 0 -map 1 -map 2 -c:v mpeg4 -c:a mp3 -t 1"
           " -disposition:a:0 default -disposition:a:1 comment -metadata:s:a:1 language=deu",
           clip)  # fmt: skip
    mux_audio(probe(clip), click, tmp_path / "out.mkv")
    assert not caplog.records
    mux_audio(probe(clip), click, tmp_path / "out.avi")
    assert re.search(r'lost of the audio track 2: .*the flag "comment"', caplog.text)


# Pictures and when they are shown ---------------------------------------------------------------


def test_pictures_that_are_missing_or_late_are_told_without_being_asked(tmp_path, click, caplog):
    clip = tmp_path / "f.mov"
    ffmpeg(f"{PICTURE} {X264} -bf 2", clip)
    film = probe(clip)
    ffmpeg(f"-i {clip} -c copy -frames:v 20", tmp_path / "short.mov")
    assert list(compare_times(film, tmp_path / "short.mov")) == [
        "it has 20 pictures, not 25 as f.mov"
    ]
    ffmpeg(f"-i {clip} -c:v copy -bsf:v setts=ts=PTS+gt(N\\,9)*1024 -f mov", tmp_path / "late.mov")
    (line,) = compare_times(film, tmp_path / "late.mov")
    assert re.fullmatch(r"\d+ pictures are shown at another time, by up to \d+ ms", line)
    mux_audio(film, click, tmp_path / "out.mov")
    assert not list(compare_times(film, tmp_path / "out.mov")) and not caplog.records


@pytest.fixture(scope="module")
def hidden_frames(tmp_path_factory):
    """VP9 whose alternate references lie in packets of their own, which most containers join."""
    folder = tmp_path_factory.mktemp("vp9")
    vp9 = "-c:v libvpx-vp9 -deadline good -cpu-used 4 -auto-alt-ref 1 -lag-in-frames 16 -b:v 100k"
    film = "-f lavfi -i testsrc2=s=160x90:r=25:d=2,noise=alls=20:allf=t"
    for number, out in ((1, "-f null -"), (2, f"{folder}/joined.webm")):
        ffmpeg(f"{film} {vp9} -pass {number} -passlogfile {folder}/log {out}")
    ffmpeg(f"-i {folder}/joined.webm -c copy -bsf:v vp9_superframe_split", folder / "split.nut")
    return folder


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".mp4"])
def test_hidden_frames_that_were_joined_are_no_difference(
    hidden_frames, click, tmp_path, caplog, suffix
):
    for name in ("joined.webm", "split.nut"):
        clip, out = probe(hidden_frames / name), tmp_path / f"{name}{suffix}"
        mux_audio(clip, click, out)
        verify_picture(clip, out)
        assert not [r for r in caplog.records if "pictures" in r.message]


def ogg_crc(page: bytes) -> int:
    """Of an Ogg page (RFC 3533, 6): polynomial 0x04c11db7, from 0, not reflected."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C1_1DB7 if crc >> 31 else crc << 1) & 0xFFFF_FFFF
    return crc


def test_theoras_empty_packets_repeat_a_picture(tmp_path, click, caplog):
    """A picture that repeats the one before is an empty packet there."""
    plain, clip = tmp_path / "plain.ogv", tmp_path / "clip.ogv"
    ffmpeg(f"{PICTURE} -c:v libtheora -page_duration 1 -g 64", plain)
    content, made, place, pages = plain.read_bytes(), b"", 0, 0
    while place < len(content):
        segments = content[place + 26]
        lacing = content[place + 27 : place + 27 + segments]
        size = 27 + segments + sum(lacing)
        page, pages = content[place : place + size], pages + 1
        if pages in (8, 9, 15) and sum(value < 255 for value in lacing) == 1:
            page = page[:22] + bytes(4) + b"\1\0"
            page = page[:22] + struct.pack("<I", ogg_crc(page)) + page[26:]
        made, place = made + page, place + size
    clip.write_bytes(made)
    film = probe(clip)
    assert len(list(decode_pictures(film))) == 22 and not caplog.records
    mux_audio(film, click, tmp_path / "out.mkv")
    assert verify_picture(film, tmp_path / "out.mkv").packets == 22
    assert not caplog.records


# The listing ------------------------------------------------------------------------------------

LISTING = """Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'a.mov':
  Duration: 00:00:02.00, start: -0.021000, bitrate: 8683 kb/s
  Stream group #0:0[0x6]: Track Reference:
    Stream #0:0[0x1](und): Video: hevc (Main 10) (hvc1 / 0x31637668), yuv420p10le(tv) (default)
      Metadata:
        handler_name    : Core Media Video
      Side data:
        displaymatrix: rotation of -90.00 degrees
        DOVI configuration record: version: 1.0, profile: 8
    Stream #0:5[0x6](eng): Data: none (tmcd / 0x64636D74), 0 kb/s
  Stream #0:1[0x2](eng): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz (default) (hearing impaired)
    Metadata:
      title           : Dialogue
At least one output file must be specified
"""


def test_the_listing_of_an_ffmpeg_is_read():
    seen = read_listing(LISTING)
    assert float(seen.start or 0) == -0.021 and sorted(seen.streams) == [0, 1, 5]
    picture, sound, data = seen.streams[0], seen.streams[1], seen.streams[5]
    assert picture.beside == {
        "the rotation": "rotation of -90.00 degrees",
        "Dolby Vision": "version: 1.0, profile: 8",
    }
    assert (picture.codec, picture.tag, picture.language) == ("hevc", "hvc1", "")
    assert sound.flags == {"default", "hearing impaired"} and sound.language == "eng"
    assert sound.name == "Dialogue" and data.codec == "none" and data.tag == "tmcd"
