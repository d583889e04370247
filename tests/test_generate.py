"""The whole way, as a user goes it: a film in, the same picture with sound out."""

import json
import shutil
from fractions import Fraction

import av
import ffmpeg
import numpy as np
import pytest
import soundfile

import foleycli
from foleycli.config import LOUDNESS, GenerateConfig
from foleycli.errors import MediaError, OutputExistsError, UsageError
from foleycli.generate import spot
from foleycli.mux.ffmpeg import find_ffmpeg
from foleycli.mux.loudness import measure_loudness
from foleycli.recipe import read_recipe
from foleycli.sources.open import open_source
from foleycli.sources.small import SHIPPED
from foleycli.spot.cues import Cue, read_cues, write_cues
from foleycli.spot.features import Features
from tests.films import still, strikes, write_film
from tests.timeline.clicks import Clicks

RATE = 48_000


@pytest.fixture(scope="module")
def library():
    return open_source(GenerateConfig(model="library"))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "strikes.mp4", strikes([0.75, 1.75], 2.5))


def packets(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def test_the_picture_is_untouched_and_the_sound_has_its_length(film, library, tmp_path):
    result = foleycli.generate(film, tmp_path / "out.mov", source=library, wav=True)
    out, wav = result.takes[0].out, result.takes[0].wav
    assert packets(out) == packets(film)
    info = soundfile.info(wav)
    assert (info.frames, info.samplerate, info.subtype) == (2.5 * RATE, RATE, "PCM_24")
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]


def test_the_same_seed_gives_the_same_sound_and_another_seed_another(film, library, tmp_path):
    hashes = [
        foleycli.generate(film, tmp_path / f"{i}.mp4", source=library, seed=seed, prompt="wood hit")
        .takes[0]
        .waveform_hash
        for i, seed in enumerate((3, 3, 4))
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_takes_are_the_following_seeds(film, library, tmp_path):
    takes = foleycli.generate(
        film, tmp_path / "a.mp4", source=library, seed=3, takes=2, prompt="wood hit"
    ).takes
    alone = foleycli.generate(film, tmp_path / "b.mp4", source=library, seed=4, prompt="wood hit")
    assert [take.out.name for take in takes] == ["a.mp4", "a_take2.mp4"]
    assert takes[1].waveform_hash == alone.takes[0].waveform_hash


def test_progress_never_goes_back_whatever_the_takes(film, library, tmp_path):
    told = []
    foleycli.generate(
        film,
        tmp_path / "a.mp4",
        source=library,
        takes=2,
        progress=lambda stage, done: told.append((stage, done)),
    )
    order = ["looking", "sounding", "muxing"]
    assert told == sorted(told, key=lambda step: (order.index(step[0]), step[1]))
    assert told[-1] == ("muxing", 1.0)


def test_progress_is_of_the_span(film, library, tmp_path):
    told = []
    foleycli.generate(
        film, tmp_path / "a.mp4", source=library, start="1", end="2",
        progress=lambda stage, done: told.append((stage, done)),
    )  # fmt: skip
    looking = [done for stage, done in told if stage == "looking"]
    assert looking[-2] > 0.9 and max(np.diff(looking)) < 0.1


def test_a_bundle_in_a_folder_is_opened_again_by_redo(film, tmp_path):
    bundle = shutil.copytree(SHIPPED, tmp_path / "bundle")
    take = foleycli.generate(
        film, tmp_path / "a.mp4", model=str(bundle), steps=1, device="cpu", prompt="wood impact"
    ).takes[0]
    assert json.loads(take.recipe.read_text())["source"] == str(bundle)
    assert foleycli.redo(take.recipe, tmp_path / "b.mp4")[1]


def test_a_recipe_makes_the_sound_again(film, library, tmp_path):
    take = foleycli.generate(film, tmp_path / "a.mp4", source=library, prompt="metal hit").takes[0]
    again, same = foleycli.redo(take.recipe, tmp_path / "again.mp4")
    assert same and again.waveform_hash == take.waveform_hash
    assert read_recipe(take.recipe).config.prompt == "metal hit"


def test_a_recipe_refuses_another_clip(film, library, tmp_path):
    moved = tmp_path / "film.mp4"
    moved.write_bytes(film.read_bytes())
    take = foleycli.generate(moved, tmp_path / "a.mp4", source=library).takes[0]
    moved.write_bytes(film.read_bytes() + b"more")
    with pytest.raises(MediaError, match="not the file"):
        foleycli.redo(take.recipe, tmp_path / "b.mp4")


def test_an_edited_sheet_is_followed(film, library, tmp_path):
    sheet = tmp_path / "cues.csv"
    write_cues(sheet, [Cue(start=Fraction(1), duration=Fraction(1), kind="hit", what="gunshot")])
    wav = (
        foleycli.generate(film, tmp_path / "a.mp4", source=library, wav=True, cues=read_cues(sheet))
        .takes[0]
        .wav
    )
    sound, _ = soundfile.read(wav)
    assert not sound[: int(0.97 * RATE)].any()
    assert np.abs(sound[RATE : int(1.1 * RATE)]).max() > 0.05


def test_what_there_is_no_recording_of_is_said_and_silent(film, library, tmp_path, caplog):
    asked = {"prompt": "theremin; wood hit", "source": library}
    result = foleycli.generate(film, tmp_path / "a.mp4", **asked)
    assert result.unheard == ("theremin",)
    assert "no recording of that: theremin" in caplog.text
    seen = spot(film, source=library, prompt="theremin; wood hit")
    assert seen.cues == result.cues and seen.unheard == ("theremin",)
    played = {cue.what: remark for cue, remark in zip(seen.cues, seen.remarks, strict=True)}
    assert played["theremin"] == "no recording of that"
    assert played["wood impact"].partition(": ")[0] in library.bank.by_id
    stated = json.loads(result.takes[0].recipe.read_text())["cues"]
    assert {cue["what"]: cue["played"] for cue in stated} == played
    assert read_recipe(result.takes[0].recipe).cues == result.cues


def test_a_sheet_with_what_will_be_played_sounds_as_without(film, library, tmp_path):
    sheet = tmp_path / "cues.csv"
    seen = spot(film, source=library, prompt="wood hit")
    write_cues(sheet, seen.cues, remarks=seen.remarks)
    alone = foleycli.generate(film, tmp_path / "a.mp4", source=library, prompt="wood hit")
    edited = foleycli.generate(film, tmp_path / "b.mp4", source=library, cues=read_cues(sheet))
    assert edited.takes[0].waveform_hash == alone.takes[0].waveform_hash


def test_only_the_air_sounds_where_nothing_is_seen(library, tmp_path):
    film = write_film(tmp_path / "black.mp4", still(2))
    result = foleycli.generate(film, tmp_path / "a.mp4", source=library, wav=True)
    assert {cue.layer for cue in result.cues} == {"air"}
    quiet = foleycli.generate(film, tmp_path / "b.mp4", source=library, wav=True, air=False)
    assert quiet.cues == ()
    assert not soundfile.read(quiet.takes[0].wav)[0].any()


def test_a_span_sounds_within_it_only(film, library, tmp_path):
    take = foleycli.generate(
        film, tmp_path / "a.mov", source=library, start="12f", end="1.5", prompt="wood hit"
    ).takes[0]
    assert packets(take.out) == packets(film)
    sound, _ = soundfile.read(_sound_of(take.out, tmp_path))
    assert not sound[: RATE // 2].any()
    assert np.abs(sound[RATE // 2 : RATE * 3 // 2]).max() > 0.01
    assert not sound[RATE * 3 // 2 :].any()


def test_stems_add_up_to_the_sound_to_the_last_bit(film, library, tmp_path):
    take = foleycli.generate(
        film, tmp_path / "a.mov", source=library, prompt="wood hit; rain", stems=True
    ).takes[0]
    assert take.wav == tmp_path / "a.wav"
    whole, props, hard, air = (
        soundfile.read(tmp_path / f"a{part}.wav", dtype="int32")[0].astype(np.int64)
        for part in ("", "_props", "_hard", "_air")
    )
    assert whole.shape[1] == 2 and props.any() and hard.any() and air.any()
    assert np.array_equal(props + hard + air, whole)
    assert not (tmp_path / "a_feet.wav").exists()  # nobody walks
    again, same = foleycli.redo(take.recipe, tmp_path / "b.mov")
    assert same and (tmp_path / "b_hard.wav").is_file() and again.wav == tmp_path / "b.wav"
    with pytest.raises(OutputExistsError, match="_props"):
        (tmp_path / "c_props.wav").write_text("mine")
        foleycli.generate(film, tmp_path / "c.mov", source=library, stems=True)


def test_a_model_without_cues_makes_no_stems(film, tmp_path, monkeypatch):
    monkeypatch.setattr(Features, "says_what", False)
    with pytest.raises(UsageError, match="one sound"):
        foleycli.generate(film, tmp_path / "a.mov", source=Clicks(), stems=True)
    assert not list(tmp_path.iterdir())


def test_an_unknown_preset_is_refused_before_the_slow_part(film, tmp_path):
    source = Clicks()
    with pytest.raises(UsageError, match="cinema"):
        foleycli.generate(film, tmp_path / "a.mov", source=source, loudness="cinema")
    assert source.looked == 0


@pytest.mark.parametrize("stems", [False, True])
def test_a_preset_sets_the_sound_by_one_gain(film, library, tmp_path, stems):
    options = {"source": library, "prompt": "rain", "wav": True, "stems": stems}
    plain = foleycli.generate(film, tmp_path / "a.mov", **options).takes[0].wav
    loud = foleycli.generate(film, tmp_path / "b.mov", loudness="ebu", **options).takes[0].wav
    assert abs(measure_loudness(plain).integrated + 23) > 1
    assert measure_loudness(loud).misses(LOUDNESS["ebu"]) == []
    one, other = (soundfile.read(wav)[0] for wav in (plain, loud))
    loudest = np.abs(one) > 0.9 * np.abs(one).max()
    assert np.ptp(other[loudest] / one[loudest]) < 1e-4


def test_a_mix_is_brought_to_the_preset_as_a_whole(film, library, tmp_path):
    tone = np.sin(np.arange(2.5 * RATE) / 9) * 0.01
    soundfile.write(tmp_path / "tone.wav", tone, RATE)
    heard, own = tmp_path / "film.mov", str(tmp_path / "tone.wav")
    spec = ffmpeg.output(ffmpeg.input(str(film)).video, ffmpeg.input(own).audio, str(heard),
                         vcodec="copy", acodec="pcm_s24le")  # fmt: skip
    spec.run(cmd=find_ffmpeg(), quiet=True)
    take = foleycli.generate(
        heard, tmp_path / "a.mov", source=library, mode="mix", loudness="ebu", prompt="rain"
    ).takes[0]
    mix = measure_loudness(_sound_of(take.out, tmp_path))
    assert mix.misses(LOUDNESS["ebu"]) == []


def test_existing_outputs_and_inputs_are_kept(film, library, tmp_path):
    out = tmp_path / "a.mp4"
    out.write_text("mine")
    with pytest.raises(OutputExistsError):
        foleycli.generate(film, out, source=library)
    with pytest.raises(UsageError):
        foleycli.generate(film, film, source=library, overwrite=True)
    assert out.read_text() == "mine"


def test_a_recipe_is_json_a_person_can_read(film, library, tmp_path):
    take = foleycli.generate(film, tmp_path / "a.mp4", source=library).takes[0]
    fields = json.loads(take.recipe.read_text())
    assert {"clip", "clip_hash", "config", "cues", "source", "waveform_hash"} <= fields.keys()


def _sound_of(video, folder):
    with av.open(str(video)) as container:
        channels = container.streams.audio[0].codec_context.channels
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    scale = np.iinfo(frames[0].dtype).max if frames[0].dtype.kind == "i" else 1
    sound = np.concatenate(frames, axis=1)
    sound = sound.T if len(sound) > 1 else sound.reshape(-1, channels)
    path = folder / "sound.wav"
    soundfile.write(path, sound / scale, RATE, subtype="PCM_24")
    return path


def test_the_wav_knows_where_it_lies_on_the_films_clock(library, tmp_path):
    """01:00:00:00 at 23.976 is sample 172,972,800 of 48 kHz; frame 24 is 48,048 later."""
    plain = write_film(tmp_path / "plain.mov", strikes([0.75], 2), Fraction(24_000, 1001))
    film = tmp_path / "film.mov"
    coded = ffmpeg.input(str(plain)).output(str(film), c="copy", timecode="01:00:00:00")
    coded.run(cmd=find_ffmpeg(), quiet=True)
    take = foleycli.generate(film, tmp_path / "a.mov", source=library, wav=True, start="24f").takes[
        0
    ]
    content = take.wav.read_bytes()
    bext = content[content.index(b"bext") + 8 :]
    assert int.from_bytes(bext[338:346], "little") == 172_972_800 + 48_048


HITS = [(Fraction(1, 2), "wood hit"), (Fraction(3, 2), "metal clang"), (Fraction(7, 4), "door")]


def heard(film, library, folder, hits):
    """The sound of hits of 0.2 s over rain, as 24-bit samples."""
    cues = [
        Cue(start=Fraction(0), duration=Fraction(5, 2), kind="bed", what="rain", level_db=-12.0)
    ]
    cues += [
        Cue(start=start, duration=Fraction(1, 5), kind="hit", what=what) for start, what in hits
    ]
    out = folder / f"{len(list(folder.iterdir()))}.mov"
    take = foleycli.generate(film, out, source=library, wav=True, cues=cues).takes[0]
    return soundfile.read(take.wav, dtype="int32")[0]


@pytest.mark.parametrize(
    "edited", [(Fraction(3, 2), "glass breaking"), (Fraction(1), "metal clang")]
)
def test_a_word_or_a_time_changes_its_event_only(film, library, tmp_path, edited):
    before = heard(film, library, tmp_path, HITS)
    after = heard(film, library, tmp_path, [HITS[0], edited, HITS[2]])
    differ = np.flatnonzero((before != after).any(axis=1)) / RATE
    spans = [(float(at), float(at) + 0.2) for at in {HITS[1][0], edited[0]}]
    inside = [any(start - 0.1 <= t <= end + 0.1 for start, end in spans) for t in differ]
    assert len(differ) > RATE // 100 and all(inside)


@pytest.mark.parametrize("options", [{"takes": 0}, {"steps": 0}])
def test_no_take_and_no_step_are_refused(film, library, tmp_path, options) -> None:
    with pytest.raises(UsageError, match="Give 1 or more"):
        foleycli.generate(film, tmp_path / "out.mov", source=library, **options)
