"""Tasks in processes of their own: one thread each, whatever this one has."""

import os

from foleycli.processes import THREADS, do_all, one_thread_each


def write_threads(path) -> None:
    import torch

    path.write_text(f"{os.environ[THREADS]} {torch.get_num_threads()}")


def test_every_process_computes_with_one_thread(tmp_path, monkeypatch):
    monkeypatch.setenv(THREADS, "2")
    tasks = [tmp_path / "one", tmp_path / "two"]
    assert sorted(do_all(write_threads, tasks, jobs=2)) == [(task, "") for task in tasks]
    assert [task.read_text() for task in tasks] == ["1 1", "1 1"]
    assert os.environ[THREADS] == "2"


def test_what_was_not_set_is_not_set_afterwards(monkeypatch):
    monkeypatch.delenv(THREADS, raising=False)
    with one_thread_each():
        assert os.environ[THREADS] == "1"
    assert THREADS not in os.environ
