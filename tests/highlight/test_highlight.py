"""The whole way with known stems: gains out, gains back in, and what must stay exact."""

import itertools
import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from foleycli.config import HIGHLIGHT
from foleycli.errors import MediaError, ModelError, OutputExistsError, UsageError
from foleycli.highlight.curves import STEMS, read_gains
from foleycli.highlight.highlight import HighlightRequest, highlight, redo
from foleycli.mux.loudness import measure_loudness
from tests.films import strikes, write_film
from tests.highlight.sounds import RATE, noise, voice, write_wav

SECONDS = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stems")
    write_film(folder / "film.mp4", strikes([1, 3], SECONDS))
    write_wav(folder / "dx.wav", voice(SECONDS, [(1, 3)], 0.3))
    write_wav(folder / "mx.wav", noise(SECONDS, 0.08, 1, channels=2))
    write_wav(folder / "fx.wav", noise(SECONDS, 0.05, 2))
    return folder


@pytest.fixture
def sounds(folder):
    return {s: [folder / f] for s, f in
            (("dialogue", "dx.wav"), ("music", "mx.wav"), ("effects", "fx.wav"))}  # fmt: skip


def total(folder):
    """The sum of the stems as any editor sums them, (samples, 2)."""
    parts = [soundfile.read(folder / name)[0] for name in ("dx.wav", "mx.wav", "fx.wav")]
    return sum(p[:, None].repeat(2, 1) if p.ndim == 1 else p for p in parts)


def test_at_strength_0_the_sum_is_that_of_the_stems_bit_for_bit(folder, sounds, tmp_path):
    config = HIGHLIGHT.__class__(strength=0.0)
    out = tmp_path / "out.wav"
    made = highlight(folder / "film.mp4", out, sounds, config)
    assert np.array_equal(soundfile.read(out)[0], total(folder))
    assert made.gain_db == 0


def test_gains_given_back_make_the_very_same_mix(folder, sounds, tmp_path):
    table = HighlightRequest(gains=tmp_path / "gains.csv")
    first = highlight(folder / "film.mp4", tmp_path / "a.wav", sounds, request=table)
    again = highlight(folder / "film.mp4", tmp_path / "b.wav", sounds, request=table)
    assert again.followed and not first.followed
    assert again.waveform_hash == first.waveform_hash
    assert first.files == (tmp_path / "gains.csv",)


def test_an_edited_table_turns_what_it_says(folder, sounds, tmp_path):
    table = tmp_path / "gains.csv"
    table.write_text("start,end,effects_db\n2,4,-6\n")
    request = HighlightRequest(gains=table, stems=tmp_path / "stems")
    highlight(folder / "film.mp4", tmp_path / "a.wav", sounds, request=request)
    own = soundfile.read(folder / "fx.wav")[0]
    turned = soundfile.read(tmp_path / "stems" / "a_effects.wav")[0][:, 0]
    assert np.array_equal(turned[:RATE], own[:RATE])
    inside = slice(int(2.5 * RATE), int(3.5 * RATE))
    assert np.allclose(turned[inside], own[inside] * 10 ** (-6 / 20), atol=2**-23)
    assert np.array_equal(turned[5 * RATE :], own[5 * RATE :])


def test_balanced_stems_add_up_to_the_mix_to_the_last_bit(folder, sounds, tmp_path):
    request = HighlightRequest(stems=tmp_path / "stems")
    made = highlight(folder / "film.mp4", tmp_path / "a.wav", sounds, request=request)
    assert [path.name for path in made.files] == ["a_dialogue.wav", "a_music.wav", "a_effects.wav"]
    summed = sum(soundfile.read(path)[0] for path in made.files)
    assert np.array_equal(summed, soundfile.read(made.out)[0])


def test_offsets_are_reached_and_the_sum_stays_as_loud(folder, sounds, tmp_path):
    request = HighlightRequest(stems=tmp_path / "stems")
    made = highlight(folder / "film.mp4", tmp_path / "a.wav", sounds, request=request)
    dialogue, music, _ = (measure_loudness(path).integrated for path in made.files)
    assert dialogue - music == pytest.approx(HIGHLIGHT.speech_over_music, abs=1.0)
    soundfile.write(tmp_path / "sum.wav", total(folder), RATE, "PCM_24")
    before = measure_loudness(tmp_path / "sum.wav").integrated
    assert measure_loudness(made.out).integrated - made.gain_db == pytest.approx(before, abs=0.5)


def test_peaks_stay_under_the_ceiling_by_one_gain(folder, tmp_path):
    loud = write_wav(tmp_path / "loud.wav", 0.95 * np.sign(noise(SECONDS)))
    made = highlight(folder / "film.mp4", tmp_path / "a.wav",
                     {"effects": [loud], "music": [loud]})  # fmt: skip
    peak = np.abs(soundfile.read(made.out)[0]).max()
    assert made.gain_db < 0
    assert 20 * np.log10(peak) == pytest.approx(-0.5, abs=0.01) and peak < 10 ** (-0.5 / 20)


def test_no_curve_is_faster_than_12_db_a_second(folder, sounds, tmp_path):
    from foleycli.highlight.curves import keyframes

    made = highlight(folder / "film.mp4", tmp_path / "a.wav", sounds)
    for stem in STEMS:
        points = keyframes(made.spans, stem)
        for a, b in itertools.pairwise(points):
            assert abs(b.gain_db - a.gain_db) <= 12 * (b.time - a.time) + 1e-9
            assert abs(b.gain_db) <= HIGHLIGHT.max_gain_db


def test_the_picture_is_copied_and_the_mix_is_where_the_mode_says(folder, sounds, tmp_path):
    first = highlight(folder / "film.mp4", tmp_path / "a.mov", sounds)
    with av.open(str(first.out)) as file:
        assert [stream.type for stream in file.streams] == ["video", "audio"]
        assert file.streams.audio[0].metadata["handler_name"] == "Mix"
        bits = [bytes(packet) for packet in file.demux(video=0) if packet.size]
    with av.open(str(folder / "film.mp4")) as file:
        assert bits == [bytes(packet) for packet in file.demux(video=0) if packet.size]
    request = HighlightRequest(mode="mix")
    others = {stem: sounds[stem] for stem in ("music", "effects")}
    made = highlight(first.out, tmp_path / "b.mov", others, request=request)
    assert made.stems == ("dialogue", "music", "effects")
    with av.open(str(made.out)) as file:
        titles = [stream.metadata["handler_name"] for stream in file.streams.audio]
    assert titles == ["Mix", "Mix"]  # ours, then the one that was there


def test_a_track_of_the_clip_is_a_stem_by_its_number(folder, sounds, tmp_path):
    film = highlight(folder / "film.mp4", tmp_path / "a.mov", {"dialogue": sounds["dialogue"]}).out
    made = highlight(film, tmp_path / "b.wav", {"dialogue": ["1"]})
    assert np.array_equal(soundfile.read(made.out)[0], soundfile.read(folder / "dx.wav")[0])


def test_redo_makes_the_same_sound_again(folder, sounds, tmp_path):
    made = highlight(folder / "film.mp4", tmp_path / "a.mov", sounds)
    again, same = redo(made.recipe, tmp_path / "again.mov")
    assert same and again.out.is_file()
    recipe = json.loads(made.recipe.read_text())
    assert recipe["made_by"] == "foley highlight" and recipe["out"] == "a.mov"


def test_redo_refuses_a_stem_that_changed(folder, sounds, tmp_path):
    own = write_wav(tmp_path / "own.wav", noise(SECONDS))
    made = highlight(folder / "film.mp4", tmp_path / "a.wav", {**sounds, "effects": [own]})
    write_wav(own, noise(SECONDS, 0.2))
    with pytest.raises(MediaError, match="not the file"):
        redo(made.recipe, tmp_path / "b.wav")


def test_lengths_are_the_pictures_whatever_the_stems_have(folder, tmp_path):
    short, long = write_wav(tmp_path / "s.wav", noise(1)), write_wav(tmp_path / "l.wav", noise(9))
    made = highlight(folder / "film.mp4", tmp_path / "a.wav", {"music": [short], "effects": [long]})
    assert soundfile.info(made.out).frames == SECONDS * RATE


def test_stems_at_one_other_rate_are_not_computed_anew(folder, tmp_path):
    sound = noise(SECONDS)[: SECONDS * 44_100]
    wav = write_wav(tmp_path / "a.wav", sound, 44_100)
    made = highlight(folder / "film.mp4", tmp_path / "b.wav", {"music": [wav]})
    assert np.array_equal(soundfile.read(made.out)[0], soundfile.read(wav)[0])
    assert soundfile.info(made.out).samplerate == 44_100


def test_a_loudness_that_is_asked_for_is_reached(folder, sounds, tmp_path):
    request = HighlightRequest(loudness="ebu")
    made = highlight(folder / "film.mp4", tmp_path / "a.wav", sounds, request=request)
    assert measure_loudness(made.out).integrated == pytest.approx(-23, abs=1)


def test_wrong_requests_say_so(folder, sounds, tmp_path):
    film = folder / "film.mp4"
    with pytest.raises(MediaError, match="no sound of its own"):
        highlight(film, tmp_path / "a.wav", {})
    with pytest.raises(UsageError, match="no sound track 2"):
        highlight(film, tmp_path / "a.wav", {"music": ["2"]})
    with pytest.raises(MediaError, match="holds no sound"):
        highlight(film, tmp_path / "a.wav", {"music": [film]})
    with pytest.raises(UsageError, match="strength"):
        highlight(film, tmp_path / "a.wav", sounds, HIGHLIGHT.__class__(strength=2))
    with pytest.raises(MediaError, match="no sound of its own"):
        highlight(film, tmp_path / "a.wav", {}, request=HighlightRequest(mode="mix"))
    with pytest.raises(UsageError, match="the input itself"):
        highlight(film, folder / "fx.wav", sounds, request=HighlightRequest(overwrite=True))
    (tmp_path / "there.wav").touch()
    with pytest.raises(OutputExistsError):
        highlight(film, tmp_path / "there.wav", sounds)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "no table of gains"),
        ("start,end,music_db\n0,1,loud\n", "line 2"),
        ("start,end,music_db\n0,1,nan\n", "not believed"),
        ("start,end,music_db\n1,1,0\n", "line 2"),
        ("start,end,music_db\n0,2,0\n1,3,0\n", "begins before"),
    ],
)
def test_a_table_that_cannot_be_followed_says_where(text, said, tmp_path):
    table = tmp_path / "gains.csv"
    table.write_text(text)
    with pytest.raises(MediaError, match=said):
        read_gains(table)


def test_the_command_tells_what_it_turned(folder, tmp_path, foley):
    code, lines, error = foley(
        "highlight", folder / "film.mp4", "--stems-from", folder, "-o", tmp_path / "a.mov",
        "--gains", tmp_path / "g.csv", "--json", "--figure", tmp_path / "g.png",
    )  # fmt: skip
    assert code == 0, error
    said = json.loads(lines[0])
    assert (tmp_path / "g.png").stat().st_size > 10_000
    assert said["stems"] == ["dialogue", "music", "effects"]
    assert any("speech" in span["reason"] for span in said["gains"])
    code, lines, error = foley("redo", tmp_path / "a.foley.json", "-o", tmp_path / "b.mov")
    assert code == 0 and "the same sound" in lines[0]


def test_known_stems_need_no_torch(folder, tmp_path):
    import subprocess

    code = (
        "import sys\nfrom foleycli.highlight.highlight import highlight\n"
        f"highlight({str(folder / 'film.mp4')!r}, {str(tmp_path / 'a.mov')!r},"
        f" {{'dialogue': [{str(folder / 'dx.wav')!r}]}})\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def muddy_film(folder, tmp_path):
    """A film whose only sound is a mix in which noise buries a voice."""
    mix = write_wav(tmp_path / "mix.wav", voice(SECONDS, [(1, 4)], 0.1) + noise(SECONDS, 0.05, 2))
    return highlight(folder / "film.mp4", tmp_path / "muddy.mov", {"effects": [mix]}).out, mix


@pytest.mark.parametrize("name", ["rnnoise", "deepfilter"])
def test_a_mix_alone_is_parted_and_at_strength_0_comes_back_bit_for_bit(muddy_film, tmp_path, name):
    from foleycli.highlight.separate import find_separator

    try:
        find_separator(name)
    except ModelError:
        pytest.skip(f"{name} is not installed")
    film, mix = muddy_film
    by = HighlightRequest(separator=name)
    still = highlight(film, tmp_path / "a.wav", {}, HIGHLIGHT.__class__(strength=0.0), by)
    assert np.array_equal(soundfile.read(still.out)[0], soundfile.read(mix)[0])
    made = highlight(film, tmp_path / "b.wav", {}, request=by)
    assert json.loads(made.recipe.read_text())["separator"] == name
    assert made.stems == ("dialogue", "effects")
    spoken, silent = made.spans[2].gains_db, made.spans[5].gains_db
    assert spoken["dialogue"] - spoken["effects"] > 1
    assert silent["dialogue"] == silent["effects"]  # nobody speaks: what the parting did is unheard
    assert redo(made.recipe, tmp_path / "c.wav")[1]


def test_the_public_network_gives_a_mix_anew(muddy_film, tmp_path):
    import sys

    from foleycli.config import VISAH_TINY
    from foleycli.train.highlight import save_visah

    sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
    from fixtures_visah import filled_net

    film, mix = muddy_film
    weights, rows = tmp_path / "w.safetensors", tmp_path / "rows.npy"
    save_visah(filled_net(VISAH_TINY), weights)
    np.save(rows, np.zeros((6, 32), np.float32))
    request = HighlightRequest(weights=weights, context=rows)
    still = highlight(film, tmp_path / "a.wav", {}, HIGHLIGHT.__class__(strength=0.0), request)
    assert np.array_equal(soundfile.read(still.out)[0], soundfile.read(mix)[0])
    made = highlight(film, tmp_path / "b.wav", {}, request=request)
    assert soundfile.info(made.out).frames == SECONDS * 44_100
    assert np.abs(soundfile.read(made.out)[0]).max() < 10 ** (-0.5 / 20)
    _again, same = redo(made.recipe, tmp_path / "c.wav")
    assert same


def test_visah_without_weights_says_that_none_ship(folder, foley, tmp_path):
    code, _, error = foley("highlight", folder / "film.mp4", "--model", "visah")
    assert code == 2 and "no licence" in error


def test_one_gain_a_shot(tmp_path, sounds):
    from tests.films import still

    frames = [*still(3, level=30), *(255 - f for f in still(3, level=60))]
    film = write_film(tmp_path / "two.mp4", frames)
    config = HIGHLIGHT.__class__(per="shot")
    table = HighlightRequest(gains=tmp_path / "g.csv")
    made = highlight(film, tmp_path / "a.wav", sounds, config, table)
    assert len(made.spans) == len(read_gains(tmp_path / "g.csv")) <= 2
    again = highlight(film, tmp_path / "b.wav", sounds, config, table)
    assert again.waveform_hash == made.waveform_hash


def test_gains_are_volume_keyframes_of_the_stems_in_a_timeline(folder, sounds, tmp_path):
    import xml.etree.ElementTree as ET

    from foleycli.highlight.curves import keyframes
    from foleycli.timeline.files import read_timeline

    request = HighlightRequest(keyframes=tmp_path / "cut.fcpxml")
    made = highlight(folder / "film.mp4", tmp_path / "a.wav", sounds, request=request)
    timeline = read_timeline(tmp_path / "cut.fcpxml")
    assert {e.media.name for t in timeline.sounds for e in t.events} == {
        "dx.wav",
        "mx.wav",
        "fx.wav",
    }
    clips = {c.get("name"): c for c in ET.parse(tmp_path / "cut.fcpxml").iter("asset-clip")}
    points = keyframes(made.spans, "effects")
    found = clips["effects"].findall("adjust-volume/param/keyframeAnimation/keyframe")
    assert len(found) == len(points) > 2
    assert [float(k.get("value").removesuffix("dB")) for k in found] == pytest.approx(
        [point.gain_db for point in points], abs=0.005
    )


def test_otio_carries_the_keyframes_in_its_metadata(folder, sounds, tmp_path):
    otio = pytest.importorskip("opentimelineio")
    request = HighlightRequest(keyframes=tmp_path / "cut.otio")
    made = highlight(folder / "film.mp4", tmp_path / "a.wav", sounds, request=request)
    clips = {
        c.name: c for c in otio.adapters.read_from_file(str(tmp_path / "cut.otio")).find_clips()
    }
    volume = clips["music"].effects[0].metadata["foleycli"]["volume"]
    assert volume[0]["db"] == made.spans[0].gains_db["music"]
    with pytest.raises(UsageError, match="no keyframes"):
        bad = HighlightRequest(keyframes=tmp_path / "cut.edl")
        highlight(folder / "film.mp4", tmp_path / "b.wav", sounds, request=bad)


def test_aaf_carries_the_gains_as_factors_that_follow_the_curve(folder, sounds, tmp_path):
    aaf2 = pytest.importorskip("aaf2")
    pytest.importorskip("otio_aaf_adapter")
    from foleycli.highlight.curves import keyframes
    from foleycli.timeline.files import read_timeline

    request = HighlightRequest(keyframes=tmp_path / "cut.aaf")
    made = highlight(folder / "film.mp4", tmp_path / "a.wav", sounds, request=request)
    with aaf2.open(str(tmp_path / "cut.aaf")) as file:
        (cut,) = file.content.toplevel()
        slots = {slot.name: slot for slot in cut.slots if slot.media_kind == "Sound"}
        assert slots.keys() == set(STEMS)
        for stem, slot in slots.items():
            (group,) = slot.segment.components
            if group.operation.name == "Audio Channel Combiner":
                group = group.segments[0]  # each channel is under its gain
            (curve,) = group.parameters
            points = [(p.time * SECONDS, p.value) for p in curve.pointlist]
            wanted = keyframes(made.spans, stem)
            at = np.linspace(0, SECONDS, 601)
            ours = 20 * np.log10(np.interp(at, *zip(*points, strict=True)))
            theirs = np.interp(at, [p.time for p in wanted], [p.gain_db for p in wanted])
            assert ours == pytest.approx(theirs, abs=0.08)
            clip = group.segments[0]
            assert clip.mob.slot_at(clip.slot_id).segment.mob.name == sounds[stem][0].name
        assert len(points) > 2
    back = read_timeline(tmp_path / "cut.aaf")
    assert [e.media.name for t in back.pictures for e in t.events] == ["film.mp4"]
    assert {e.media.name for t in back.sounds for e in t.events} == {
        path.name for several in sounds.values() for path in several
    }


def test_gen_balances_the_new_sound_with_the_clips_own(muddy_film, tmp_path, foley):
    film, _ = muddy_film
    asked = ("gen", film, "-o", tmp_path / "out.mov", "--highlight", "--model", "library", "--mix")
    code, lines, error = foley(*asked, "--prompt", "wood impact")
    assert code == 0, error
    recipe = json.loads((tmp_path / "out.foley.json").read_text())
    assert recipe["stems"].keys() == {"dialogue", "effects"}
    assert (tmp_path / "out.wav").is_file()
    code, lines, _ = foley("redo", tmp_path / "out.foley.json", "-o", tmp_path / "again.mov")
    assert code == 0 and "the same sound" in lines[0]
    code, _, error = foley(*asked, "--takes", "2", "--overwrite")
    assert code == 2 and "--takes" in error
