"""Bed and objects: they add up to the mix, and the EBU's renderer hears the same.

The renderer wants an environment of its own:

    python3.11 -m venv ear && ear/bin/pip install ear
    FOLEY_EAR=ear/bin/ear-render pytest tests/mux/test_adm.py
"""

import os
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from foleycli.config import ADM, CHANNELS, AdmConfig, GenerateConfig
from foleycli.errors import MediaError, UsageError
from foleycli.generate import generate
from foleycli.mux.adm import Layout, azimuth_of, pan_of, read_layout, write_adm
from foleycli.mux.bwf import Broadcast
from foleycli.mux.bwf_read import read_broadcast
from foleycli.recipe import read_recipe
from foleycli.sources import objects as staging
from foleycli.sources.library import LibrarySource
from foleycli.sources.objects import Scene, stage_objects
from foleycli.sources.staged import sound_parts, split_cues
from foleycli.spot.cues import Cue
from foleycli.spot.features import Features
from foleycli.waveform import write
from foleycli.waveform.space import pan_gains
from foleycli.waveform.stems import sum_stems
from tests.films import strikes, write_film
from tests.timeline.clicks import Clicks

RATE = 48_000
EAR = os.environ.get("FOLEY_EAR") or shutil.which("ear-render")
ear = pytest.mark.skipif(not EAR, reason="the EBU's renderer is not here: see the top of the file")


def cue(start, what, pan=0.0, layer="", kind="hit", lasts=1.0, distance=0.0) -> Cue:
    return Cue(start=Fraction(start), duration=Fraction(lasts), kind=kind, what=what, pan=pan,
               layer=layer, distance=distance)  # fmt: skip


CUES = [
    cue(0.2, "wood hit", -0.8, "props", distance=5.0),
    cue(0.25, "door slam", 0.7, "hard"),
    cue(0.3, "glass hit", 0.4, "props"),
    cue(0, "forest birds", layer="air", kind="bed", lasts=2.0),
    cue(0.5, "car engine", -1.0, "hard", kind="bed", lasts=0.5),
    cue(1, "car engine", 1.0, "hard", kind="bed", lasts=1.0),  # it drives across
]


@pytest.fixture(scope="module")
def library():
    return LibrarySource()


def blank(seconds=2) -> Features:
    none = np.zeros(0, np.float32)
    return Features.assemble(none.reshape(0, 384), none, none, Fraction(seconds))


def staged(library, **options) -> tuple[Scene, np.ndarray, np.ndarray]:
    """A scene, its tracks and mix, and the mix that is made without it."""
    config = GenerateConfig(**{"width": 1.0} | options)
    scene = stage_objects(library, blank(), CUES, config)
    made = sound_parts(library, blank(), split_cues(CUES, config), config)
    mix = np.concatenate([sum_stems(block, made.channels) for block in made.blocks])
    return scene, np.concatenate(list(scene.blocks)), mix


def pans(one, length: int) -> np.ndarray:
    """Where an object is at every sample; on its way it goes evenly."""
    found = np.zeros(length)
    before = 0.0
    for stay in one.stays:
        steps = np.arange(1, stay.end - stay.start + 1) / (stay.end - stay.start)
        found[stay.start : stay.end] = (
            stay.pan if stay.jumps else before + steps * (stay.pan - before)
        )
        before = stay.pan
    return found


@pytest.mark.parametrize("channels", list(CHANNELS))
@pytest.mark.parametrize("room", ["off", "small"])
def test_bed_room_and_objects_add_up_to_the_mix(library, channels, room):
    scene, tracks, mix = staged(library, channels=channels, room=room)
    count = CHANNELS[channels]
    assert scene.beds == count * (2 if room == "small" else 1)
    assert [one.name for one in scene.objects] == ["props 1", "hard 1", "props 2", "hard 2"]
    summed = sum_stems(tracks[:, : scene.beds], count)
    for number, one in enumerate(scene.objects):
        alone = tracks[:, scene.beds + number, None]
        assert one.stays[0].start == 0 and one.stays[-1].end == scene.length
        summed = summed + alone * pan_gains(pans(one, scene.length), count)
    assert np.abs(tracks[:, -count:] - mix).max() < 1e-6
    assert np.abs(summed - mix).max() < 2e-4 * np.abs(mix).max()  # while the car drives; else less
    still = slice(round(1.3 * RATE), None)
    assert np.abs(summed[still] - mix[still]).max() < 1e-6


def test_the_car_drives_from_the_left_to_the_right(library):
    scene, _, _ = staged(library)
    car = scene.objects[3]
    assert (car.stays[0].pan, car.stays[-1].pan) == (-1.0, 1.0)
    ways = [stay for stay in car.stays if not stay.jumps]
    assert len(ways) > 10 and ways[-1].end == round(1.25 * RATE)
    assert np.all(np.diff([stay.pan for stay in ways]) > 0)


def test_what_finds_no_object_stands_in_the_bed(library, monkeypatch):
    monkeypatch.setattr(staging, "ADM", AdmConfig(most=1))
    scene, tracks, mix = staged(library)
    assert [one.name for one in scene.objects] == ["props 1", "hard 1"]
    assert np.abs(tracks[:, -2:] - mix).max() < 1e-6
    air = stage_objects(library, blank(), CUES[3:4], GenerateConfig(width=1.0))
    bed = tracks[:, :2] - np.concatenate(list(air.blocks))[:, :2]
    assert np.square(bed[:, 1]).sum() > 1.5 * np.square(bed[:, 0]).sum() > 0  # glass, on the right


def test_angles_are_those_at_which_the_renderer_pans_alike():
    for channels in (1, 2, 6):
        assert azimuth_of(-1, channels) == pytest.approx(30) and azimuth_of(0, channels) == 0
        for pan in np.linspace(-1, 1, 21):
            assert pan_of(azimuth_of(pan, channels), channels) == pytest.approx(pan, abs=1e-6)
    # tangent law (stereo), and between C and L of 5.1 at equal power half of the way
    assert azimuth_of(-0.5, 2) == pytest.approx(
        np.degrees(np.arctan(np.tan(np.pi / 6) * (2**0.5 - 1)))
    )
    assert azimuth_of(-0.5, 6) == pytest.approx(15)


def written(library, path: Path, **options) -> tuple[Layout, np.ndarray]:
    scene, tracks, mix = staged(library, **options)
    layout = Layout.of(scene)
    about = Broadcast(description="key", start=Fraction(3600), scene='<a> & "b"\x01')
    write_adm(path, [tracks], layout, about)
    return layout, mix


def test_the_file_says_what_each_track_is(library, tmp_path):
    path = tmp_path / "a.wav"
    layout, _ = written(library, path, channels="5.1", room="small")
    info = soundfile.info(str(path))
    assert (info.channels, info.samplerate, info.subtype) == (16, RATE, "PCM_24")
    about = read_broadcast(path)
    assert about and about.start == 3600 and about.description == "key"
    assert about.track_names[:7] == ("Bed L", "Bed R", "Bed C", "Bed LFE", "Bed Ls", "Bed Rs",
                                     "Room L")  # fmt: skip
    assert about.track_names[-1] == "hard 2"
    back = read_layout(path)
    assert (back.channels, back.has_room, back.length) == (6, True, 2 * RATE)
    for one, other in zip(back.objects, layout.objects, strict=True):
        assert one.name == other.name and len(one.stays) == len(other.stays)
        for there, here in zip(one.stays, other.stays, strict=True):
            assert abs(there.start - here.start) <= 1 and there.jumps == here.jumps
            assert there.pan == pytest.approx(here.pan, abs=1e-5)
    data = path.read_bytes()
    count, rows = np.frombuffer(data, "<u2", 2, data.index(b"chna") + 8)
    assert (count, rows) == (16, 16)
    first = data.index(b"chna") + 12
    assert data[first : first + 39] == b"\x01\0ATU_00000001AT_00010001_01AP_00010003"
    soundfile.write(tmp_path / "b.wav", np.zeros((9, 2)), RATE)
    with pytest.raises(MediaError, match="no ADM wave"):
        read_layout(tmp_path / "b.wav")


def test_gen_writes_it_and_the_video_sounds_as_without(tmp_path):
    film = write_film(tmp_path / "a.mp4", strikes([0.2], 0.5))
    options = {"source": Clicks(), "air": False}
    plain = generate(film, tmp_path / "b.mov", wav=True, **options).takes[0]
    take = generate(film, tmp_path / "c.mov", adm=True, **options).takes[0]
    assert take.waveform_hash == plain.waveform_hash
    assert take.adm == tmp_path / "c_adm.wav" and take.wav is None and plain.adm is None
    assert read_recipe(take.recipe).config.adm
    layout = read_layout(take.adm)
    assert layout.length == RATE // 2 and layout.tracks == 3
    own, mix = (soundfile.read(str(path))[0] for path in (take.adm, plain.wav))
    heard = own[:, 2:] * pan_gains(pans(layout.objects[0], layout.length), 2)
    assert np.abs(heard - mix).max() < 1e-6 and not own[:, :2].any()
    level = generate(film, tmp_path / "d.mov", adm=True, loudness="ebu", **options).takes[0]
    raised, _ = soundfile.read(str(level.adm))
    gain = raised[:, 2:].max() / own[:, 2:].max()
    assert gain > 1.1 and np.abs(raised - own * gain).max() < 1e-6 and np.abs(raised).max() < 0.99
    with pytest.raises(UsageError, match="told apart"):
        generate(film, tmp_path / "e.mov", source=_Mute(), adm=True)
    assert not list(tmp_path.glob("e*"))


class _Unsaid(Features):
    says_what = False


class _Mute(Clicks):
    """Follows the picture itself, without words."""

    def encode(self, pictures):
        features = super().encode(pictures)
        return _Unsaid(features.rows, features.duration)


@pytest.mark.ear
@ear
@pytest.mark.parametrize(("channels", "system"), [("stereo", "0+2+0"), ("5.1", "0+5+0")])
def test_the_ebu_renderer_hears_our_mix(library, tmp_path, channels, system, monkeypatch):
    if channels == "stereo":  # and reads it past 4 GiB, too
        monkeypatch.setattr(write, "RIFF_LIMIT", 0)
    path, out = tmp_path / "a.wav", tmp_path / "b.wav"
    _, mix = written(library, path, channels=channels, room="small")
    assert path.read_bytes()[:4] == (b"BW64" if channels == "stereo" else b"RIFF")
    subprocess.run([str(EAR), "--strict", "-s", system, path, out], check=True, capture_output=True)
    heard, _ = soundfile.read(out)
    still = slice(round(1.3 * RATE), None)
    wrong = [10 * np.log10(np.square(heard[part] - mix[part]).sum() / np.square(mix[part]).sum())
             for part in (slice(None), still)]  # fmt: skip
    assert wrong[0] < -50 and wrong[1] < -90  # dB; while the car drives its gains go evenly there


def test_one_layer_has_few_objects():
    assert ADM.most * 5 <= 118  # as many as common workstations take


def test_where_nothing_sounds_it_is_silent(library):
    for source in (library, Clicks()):
        scene = stage_objects(source, blank(1), [], GenerateConfig())
        tracks = np.concatenate(list(scene.blocks))
        assert not scene.objects and tracks.shape == (RATE, 4) and not tracks.any()
