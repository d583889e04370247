"""A reel as one bed and objects."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from foleycli.mux.adm import read_layout
from foleycli.mux.bwf_read import read_broadcast
from foleycli.mux.names import adm_path
from foleycli.sources.objects import Stay
from foleycli.timeline import objects
from foleycli.timeline.reel import plan_reel, sound_reel
from foleycli.timeline.sound import Piece
from tests.timeline.clicks import Clicks
from tests.timeline.test_reel import GenerateConfig, films, reel, write_timeline  # noqa: F401


def run(folder, films, **options):  # noqa: F811
    path, out = folder / "cut.fcpxml", folder / "out.fcpxml"
    write_timeline(reel(), path, overwrite=True)
    config = GenerateConfig(**{"air": False, "channels": "mono", "adm": True} | options)
    plan = plan_reel(path, out, roots=[films], handles=6, adm=True, overwrite=config.overwrite)
    return sound_reel(plan, config, Clicks())


def test_the_objects_are_those_of_the_shots_and_add_up(tmp_path, films):  # noqa: F811
    result = run(tmp_path, films)
    assert not result.failures
    adm = result.plan.adm
    assert adm and adm.name == "Reel_FXStem_ADM.wav"
    layout, whole = read_layout(adm), soundfile.read(str(adm))[0]
    stem = soundfile.read(str(result.plan.stem))[0]
    assert (layout.channels, layout.has_room, layout.length) == (1, False, len(stem))
    # two shots sound at once in their dissolve, the third has the first one's object
    assert [one.name for one in layout.objects] == ["props 1", "props 2"]
    assert np.abs(whole.sum(axis=1) - stem).max() < 1e-6
    about, of_stem = read_broadcast(adm), read_broadcast(result.plan.stem)
    assert about and of_stem and about.start == of_stem.start
    for one in layout.objects:
        assert one.stays[0].start == 0 and one.stays[-1].end == layout.length
    again = run(tmp_path, films, overwrite=True, cut_fade=2)
    assert all(sound.kept for sound in again.sounds)
    whole, stem = (soundfile.read(str(path))[0] for path in (adm, again.plan.stem))
    assert np.abs(whole.sum(axis=1) - stem).max() < 1e-6
    assert len(read_layout(adm).objects) == 2 and again.stem_hash != result.stem_hash
    adm_path(result.sounds[0].wav).unlink()
    again = run(tmp_path, films, overwrite=True)
    assert [sound.kept for sound in again.sounds] == [False, True, True]
    assert again.stem_hash == result.stem_hash


def test_places_lie_where_their_shot_does():
    way = [Stay(0, 100, -1.0), Stay(100, 200, 0.5, jumps=False), Stay(200, 300, 0.5)]
    moved = objects._moved(way, Piece(1000, 1180, 110, None, 0, 0))
    assert moved == [Stay(1000, 1090, 0.5), Stay(1090, 1180, 0.5)]
    lane = objects._Lane("feet")
    lane.add(moved, 1180)
    lane.add([Stay(2000, 2010, -1.0)], 2010)
    assert lane.stays[1] == replace(moved[1], end=2000) and lane.until == 2010


@pytest.mark.parametrize("channels", ["stereo", "5.1"])
def test_in_other_channels_too(tmp_path, films, channels):  # noqa: F811
    result = run(tmp_path, films, channels=channels, room="small", air=True)
    layout = read_layout(result.plan.adm)
    assert layout.has_room and layout.channels == {"stereo": 2, "5.1": 6}[channels]
    assert soundfile.info(str(result.plan.adm)).channels == layout.tracks == 2 * layout.channels + 2
