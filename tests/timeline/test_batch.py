"""Batches: what they do, what they keep, and that nothing stops or breaks them."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from foleycli.config import GenerateConfig
from foleycli.errors import MediaError, UsageError
from foleycli.timeline import batch
from foleycli.timeline.batch import find_done, run_batch, watch_folder
from foleycli.timeline.manifest import Job, find_jobs, take_shard
from tests.films import strikes, write_film
from tests.timeline.clicks import Clicks

CONFIG = GenerateConfig(model="library")
KILLS = int(os.environ.get("FOLEY_KILLS", "15"))  # FOLEY_KILLS=100 takes two minutes of a core


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for number in range(4):
        write_film(folder / f"shot {number}.mp4", strikes([0.2], 0.5 + number / 24))
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> Clicks:
    source = Clicks()
    monkeypatch.setattr(batch, "_source", lambda job: source)
    monkeypatch.setattr(batch, "source_fingerprint", lambda config: Clicks.fingerprint)
    return source


def states(outcomes) -> list[str]:
    return [outcome.state for outcome in outcomes]


def test_folders_globs_and_files_become_jobs(films, tmp_path) -> None:
    whole = find_jobs([str(films)], tmp_path, CONFIG)
    assert [job.out.name for job in whole] == [f"shot {n}_sfx.mp4" for n in range(4)]
    assert find_jobs([f"{films}/shot*.mp4", f"{films}/shot 0.mp4"], tmp_path, CONFIG) == whole
    with pytest.raises(MediaError, match="no file"):
        find_jobs([f"{films}/*.mov"], tmp_path, CONFIG)


def test_a_second_run_beside_the_clips_keeps_what_the_first_made(films, tmp_path) -> None:
    for film in films.iterdir():
        (tmp_path / film.name).write_bytes(film.read_bytes())
    jobs = find_jobs([str(tmp_path)], None, replace(CONFIG, takes=2))
    assert states(run_batch(jobs)) == ["made"] * 4
    for inputs in (str(tmp_path), f"{tmp_path}/*.mp4"):
        assert find_jobs([inputs], None, replace(CONFIG, takes=2)) == jobs
    assert states(run_batch(jobs)) == ["kept"] * 4


def test_clips_of_one_stem_have_recipes_of_their_own(tmp_path) -> None:
    for name in ("a.mov", "a.mp4"):
        write_film(tmp_path / name, strikes([0.2], 0.5))
    jobs = find_jobs([str(tmp_path)], None, CONFIG)
    assert [job.out.name for job in jobs] == ["a_mov_sfx.mov", "a_mp4_sfx.mp4"]
    assert states(run_batch(jobs)) == ["made"] * 2
    assert states(run_batch(find_jobs([str(tmp_path)], None, CONFIG))) == ["kept"] * 2


def test_manifests_give_options_row_by_row(films, tmp_path) -> None:
    rows = [
        {"clip": "shot 0.mp4", "prompt": "rain", "seed": 7, "out": "a/b.mov"},
        {"clip": "shot 1.mp4", "wav": True, "guidance": 2},
    ]
    manifest = films / "list.jsonl"
    manifest.write_text("\n".join(json.dumps(row) for row in rows))
    first, second = find_jobs([str(manifest)], tmp_path, CONFIG)
    assert (first.config.prompt, first.config.seed, first.out) == ("rain", 7, tmp_path / "a/b.mov")
    assert (second.config.wav, second.config.guidance, second.config.seed) == (True, 2.0, 0)
    sheet = films / "list.csv"
    sheet.write_text("clip,prompt,seed,out,wav,guidance\nshot 0.mp4,rain,7,a/b.mov,,\n"
                     "shot 1.mp4,,,,yes,2\n")  # fmt: skip
    assert find_jobs([str(sheet)], tmp_path, CONFIG) == [first, second]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ('{"prompt": "rain"}', "no clip"),
        ('{"clip": "a.mp4", "colour": 1}', "colour"),
        ('{"clip": "a.mp4", "seed": "x"}', "row 1"),
        ('{"clip": "a.mp4", "mode": "loud"}', "loud"),
        ('{"clip": "a.mp4", "loudness": "cinema"}', "ebu"),
        ("[]", "no object"),
        ("{", "row 1"),
        ('{"clip": "a.mp4", "takes": 0}', "takes 0 is too little. Give 1 or more"),
        ('{"clip": "a.mp4", "seed": 1.5}', "seed is 1.5, not a whole number"),
        ('{"clip": "a.mp4", "guidance": NaN}', "guidance nan is not a number"),
        ('{"clip": "a.mp4", "prompt": ["rain"]}', "not one value"),
        ("", "names no clip"),
    ],
)
def test_a_row_that_cannot_be_understood_is_named(tmp_path, row, says) -> None:
    (tmp_path / "list.jsonl").write_text(row)
    with pytest.raises(UsageError, match=says):
        find_jobs([str(tmp_path / "list.jsonl")], tmp_path, CONFIG)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (b"clip,prompt\na.mp4,caf\xe9\n", "not UTF-8"),
        (b"clip,prompt\na.mp4,rain,wind\n", "more values than the header"),
        (b"clip,prompt\n", "names no clip"),
    ],
)
def test_a_table_that_cannot_be_understood_is_named(tmp_path, table, says) -> None:
    (tmp_path / "list.csv").write_bytes(table)
    with pytest.raises(UsageError, match=says):
        find_jobs([str(tmp_path / "list.csv")], tmp_path, CONFIG)


@pytest.mark.parametrize("table", ["Clip, Prompt\n{},rain\n", "clip;prompt\n{};rain\n"])
def test_a_table_as_spreadsheets_write_it(films, tmp_path, table) -> None:
    (tmp_path / "list.csv").write_text(table.format(films / "shot 0.mp4"))
    (job,) = find_jobs([str(tmp_path / "list.csv")], tmp_path, CONFIG)
    assert (job.clip, job.config.prompt) == (films / "shot 0.mp4", "rain")


def test_two_jobs_never_share_an_output(films, tmp_path) -> None:
    (tmp_path / "list.csv").write_text(
        f"clip,out\n{films}/shot 0.mp4,x.mp4\n{films}/shot 1.mp4,x.mp4\n"
    )
    with pytest.raises(UsageError, match="more than once"):
        find_jobs([str(tmp_path / "list.csv")], tmp_path, CONFIG)


def test_shards_part_the_list(films, tmp_path, monkeypatch) -> None:
    jobs = find_jobs([str(films)], tmp_path, CONFIG)
    parts = [take_shard(jobs, f"{i}/3") for i in (1, 2, 3)]
    assert sorted([job for part in parts for job in part], key=jobs.index) == jobs
    for name, value in {"ID": 14, "MIN": 10, "COUNT": 3, "STEP": 2}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
    assert take_shard(jobs, None) == parts[2]
    monkeypatch.setenv("SLURM_ARRAY_TASK_MAX", "14")
    assert take_shard(jobs, None) == parts[2]
    monkeypatch.setenv("SLURM_ARRAY_TASK_MAX", "20")  # --array=10,14,20: clips would be left out
    with pytest.raises(UsageError, match="not an even one"):
        take_shard(jobs, None)
    for wrong in ("0/3", "4/3", "x"):
        with pytest.raises(UsageError):
            take_shard(jobs, wrong)


def test_what_is_done_is_done_by_content_and_recipe(films, tmp_path, quick) -> None:
    jobs = find_jobs([str(films)], tmp_path / "out", CONFIG)
    first = list(run_batch(jobs))
    assert states(first) == ["made"] * 4 and quick.looked == 4
    again = list(run_batch(jobs))
    assert states(again) == ["kept"] * 4 and quick.looked == 4
    assert [o.waveform_hash for o in again] == [o.waveform_hash for o in first]
    others = [replace(job, config=replace(CONFIG, prompt="x", overwrite=True)) for job in jobs[:1]]
    assert states(run_batch(others)) == ["made"]
    jobs[1].out.unlink()
    write_film(films / "shot 2.mp4", strikes([0.1], 0.4))  # another film under the same name
    overwriting = [replace(job, config=replace(CONFIG, overwrite=True)) for job in jobs[1:]]
    assert states(run_batch(overwriting)) == ["kept", "made", "made"]


def test_takes_are_done_when_all_of_them_are(films, tmp_path) -> None:
    config = replace(CONFIG, takes=2)
    (job,) = find_jobs([str(films / "shot 0.mp4")], tmp_path, config)
    assert states(run_batch([job])) == ["made"]
    assert find_done(job, Clicks.fingerprint)
    (tmp_path / "shot 0_sfx_take2.mp4").unlink()
    assert not find_done(job, Clicks.fingerprint)


def test_failures_are_isolated_and_named(films, tmp_path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing")
    inputs = [str(films / "shot 0.mp4"), str(broken), str(films / "shot 1.mp4")]
    outcomes = list(run_batch(find_jobs(inputs, tmp_path / "out", CONFIG)))
    assert states(outcomes) == ["made", "failed", "made"]
    assert "broken.mp4" in outcomes[1].problem and outcomes[1].remedy


def test_a_file_that_was_there_before_is_kept(films, tmp_path) -> None:
    mine = tmp_path / "shot 0_sfx.mp4"
    mine.write_text("mine")
    jobs = find_jobs([str(films / "shot 0.mp4")], tmp_path, CONFIG)
    for _ in range(2):  # also by the second run
        assert states(run_batch(jobs)) == ["failed"]
        assert mine.read_text() == "mine"


def test_two_runs_on_one_folder_leave_each_other_alone(films, tmp_path) -> None:
    jobs = find_jobs([str(films)], tmp_path, CONFIG)
    with batch._claim(jobs[0].out):
        assert batch.do_job(jobs[0]).state == "busy"
    assert states(run_batch(jobs)) == ["made"] * 4
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_another_run_makes_is_waited_for_and_no_failure(
    films, tmp_path, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(batch, "PATIENCE", 0.01)
    jobs = find_jobs([str(films)], tmp_path, CONFIG)
    began, made = threading.Event(), []

    def other_run() -> None:
        with batch._claim(jobs[0].out):
            began.set()
            while not jobs[3].out.exists():  # until the first run has done all else
                time.sleep(0.01)
            made.append(batch._generate(jobs[0], Clicks(), False, batch.nobody))

    other = threading.Thread(target=other_run)
    other.start()
    began.wait()
    outcomes = list(run_batch(jobs))
    other.join()
    assert states(outcomes) == ["made", "made", "made", "kept"] and len(made) == 1
    assert outcomes[-1].out == str(jobs[0].out) and "another run" in caplog.text


def test_a_clip_that_changes_while_it_is_read_is_not_kept(films, tmp_path, monkeypatch) -> None:
    clip = tmp_path / "growing.mp4"
    clip.write_bytes((films / "shot 0.mp4").read_bytes())

    class Grows(Clicks):
        def encode(self, pictures):
            features = super().encode(pictures)
            with clip.open("ab") as file:
                file.write(b"more")
            return features

    monkeypatch.setattr(batch, "_source", lambda job: Grows())
    (outcome,) = run_batch(find_jobs([str(clip)], tmp_path / "out", CONFIG))
    assert outcome.state == "failed" and "changed" in outcome.problem
    assert not list((tmp_path / "out").glob("*.mp4"))


@pytest.mark.parametrize("name", ["Ärger & Söhne 日本.mp4", "-dash.mp4", "a:b 'c' \"d\" %20.mp4",
                                  "x" * 190 + ".mp4"])  # fmt: skip
def test_awkward_names(films, tmp_path, name) -> None:
    clip = tmp_path / name
    clip.write_bytes((films / "shot 0.mp4").read_bytes())
    (outcome,) = run_batch(find_jobs([str(clip)], tmp_path / "out", CONFIG))
    assert (outcome.state, outcome.problem) == ("made", "")
    assert states(run_batch(find_jobs([str(clip)], tmp_path / "out", CONFIG))) == ["kept"]


def test_a_watched_folder_gives_clips_that_have_stopped_growing(films, tmp_path) -> None:
    clip = tmp_path / "new.mp4"
    looks = 0

    def find():
        nonlocal looks
        looks += 1
        if looks < 3:
            clip.write_bytes(b"x" * looks)
        return find_jobs([str(tmp_path)], tmp_path / "out", CONFIG)

    seen = [(job.clip, looks) for job in watch_folder(find, pause=0.01, rounds=6)]
    assert seen == [(clip, 3)]


def killed_at_random(jobs, chance: random.Random, usual: float) -> bool:
    """Run a batch in a child that dies at a random point of its work, or ends before; whether it
    died. Two of three die by their own processor time, which does not depend on the machine's
    load, the third by the clock, which also runs while ffmpeg does."""
    by_clock = chance.random() < 1 / 3
    delay = chance.uniform(0, 4 * usual)
    child = os.fork()
    if child == 0:
        if not by_clock:
            signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process on the spot
            signal.setitimer(signal.ITIMER_PROF, max(delay, 1e-3))
        list(run_batch(jobs))
        os._exit(0)
    if by_clock:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_random_kills_lose_nothing(films, tmp_path) -> None:
    began = time.process_time()
    reference = list(run_batch(find_jobs([str(films)], tmp_path / "wanted", CONFIG)))
    usual = (time.process_time() - began) / len(reference)
    whole = {Path(o.out).name: Path(o.out).read_bytes() for o in reference}
    out, chance = tmp_path / "out", random.Random(6)
    jobs = find_jobs([str(films)], out, CONFIG)
    kills = cut_off = finished = 0
    while kills < KILLS:
        kills += killed_at_random(jobs, chance, usual)
        for path in out.glob("[!.]*.mp4"):
            assert path.read_bytes() == whole[path.name]
        cut_off += bool(list(out.glob(".foley-*.mp4")))
        for path in out.glob(".foley-*.mp4"):
            path.unlink()
        if all(find_done(job, Clicks.fingerprint) for job in jobs):
            finished += 1
            for job in jobs:  # begin again
                job.out.unlink()
    if KILLS >= 100:  # it was cut off in the middle, and went on, often
        assert cut_off > 3 and finished > 3
    assert "failed" not in states(run_batch(jobs))
    assert {path.name for path in out.glob("[!.]*.mp4")} == set(whole)
    assert not list(out.glob("*.claim"))


WORKERS = """
import os, sys, time
from foleycli.timeline.batch import _pool, nobody

if __name__ == "__main__":
    with _pool(2, nobody) as pool:
        print(*{f.result() for f in [pool.submit(os.getpid) for _ in range(8)]}, flush=True)
        time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="counts processes by signal 0")
def test_workers_end_when_their_parent_is_killed(tmp_path) -> None:
    (tmp_path / "batch.py").write_text(WORKERS)
    command = [sys.executable, str(tmp_path / "batch.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        workers = [int(number) for number in parent.stdout.readline().split()]
        assert workers
        parent.kill()
        until = time.monotonic() + 20
        while any(map(is_there, workers)) and time.monotonic() < until:
            time.sleep(0.1)
    assert not any(map(is_there, workers))


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
def test_a_clip_that_kills_its_process_costs_itself_only(monkeypatch) -> None:
    from tests.timeline.deaths import do_or_die

    monkeypatch.setattr(batch, "do_job", do_or_die)
    names = ["a", "deadly", "b", "c"]
    jobs = [Job(Path(f"{name}.mp4"), Path(f"{name}_sfx.mp4"), CONFIG) for name in names]
    outcomes = {Path(o.clip).stem: o for o in run_batch(jobs, workers=2)}
    assert {name: o.state for name, o in outcomes.items()} == {
        "a": "made",
        "b": "made",
        "c": "made",
        "deadly": "failed",
    }
    assert "died" in outcomes["deadly"].problem


def test_a_finished_clip_is_known_without_reading_it(films, tmp_path, monkeypatch) -> None:
    clip = tmp_path / "a.mp4"
    clip.write_bytes((films / "shot 0.mp4").read_bytes())
    jobs = find_jobs([str(clip)], tmp_path / "out", CONFIG)
    assert states(run_batch(jobs)) == ["made"]
    read = []
    content_hash = batch.content_hash
    monkeypatch.setattr(batch, "content_hash", lambda path: read.append(path) or content_hash(path))
    assert (states(run_batch(jobs)), read) == (["kept"], [])
    os.utime(clip, (1, 1))  # copied back from a backup, say: then its content decides
    assert (states(run_batch(jobs)), read) == (["kept"], [clip])


def test_what_a_model_does_unasked_is_done_too(films, tmp_path, quick, monkeypatch) -> None:
    """A recipe says the speed that was the model's own, and a job asks for none."""
    jobs = find_jobs([str(films / "shot 0.mp4")], tmp_path, CONFIG)
    monkeypatch.setattr(type(quick), "own_speed", "balanced")
    monkeypatch.setattr(batch, "own_speed", lambda config: "balanced")
    assert states(run_batch(jobs)) == ["made"]
    assert states(run_batch(jobs)) == ["kept"]
    other = [replace(job, config=replace(job.config, speed="fast")) for job in jobs]
    assert find_done(other[0], Clicks.fingerprint) == ""
