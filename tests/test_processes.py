"""Tasks in processes of their own: one thread each, whatever this one has."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from foleycli.errors import BatchError
from foleycli.processes import THREADS, Aside, count_threads, do_all, one_thread_each


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


def sleep_long(path) -> None:
    path.write_text(str(os.getpid()))
    time.sleep(60)
    path.with_suffix(".done").touch()


SLOW = """
import sys
import threading
from pathlib import Path
from foleycli.processes import do_all
from tests.test_processes import sleep_long
if __name__ == "__main__":
    list(do_all(sleep_long, [Path(name) for name in sys.argv[1:]], jobs=2))
"""


@pytest.mark.skipif(os.name == "nt", reason="sends signals")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_who_is_stopped_takes_its_processes_along(tmp_path, sign):
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    tasks = [tmp_path / str(n) for n in range(6)]
    before = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    parent = subprocess.Popen([sys.executable, str(script), *map(str, tasks)], env=before)
    wait_until(lambda: all(task.exists() and task.read_text() for task in tasks[:2]))
    parent.send_signal(sign)
    parent.wait(20)
    for task in tasks[:2]:
        wait_until(lambda task=task: not is_alive(int(task.read_text())))
    assert not [task for task in tasks[2:] if task.exists()]  # none was begun
    assert not list(tmp_path.glob("*.done"))


def wait_until(happened: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_alive(process: int) -> bool:
    """Whether it runs; one that ended and that nobody asked after does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_what_is_handed_in_is_done_in_order_beside(monkeypatch):
    monkeypatch.setenv(THREADS, "2")
    done, threads = [], set()

    def work(number):
        threads.add(threading.get_ident())
        done.append(number)

    with Aside(work, ahead=1) as aside:
        for number in range(20):
            aside.put(number)
    assert done == list(range(20))
    assert threading.get_ident() not in threads


def test_what_goes_wrong_beside_is_raised_to_who_hands_in(monkeypatch):
    for threads in ("1", "2"):
        monkeypatch.setenv(THREADS, threads)
        with pytest.raises(ZeroDivisionError), Aside(lambda n: 1 // n) as aside:
            for number in (1, 0, *range(1, 9)):
                aside.put(number)


def test_threads_are_those_that_are_asked_for_or_the_cores(monkeypatch):
    monkeypatch.setenv(THREADS, "3,2")
    assert count_threads() == 3
    monkeypatch.delenv(THREADS)
    assert 1 <= count_threads() <= (os.cpu_count() or 1)


def test_an_error_travels_from_one_process_to_another():
    error = pickle.loads(pickle.dumps(BatchError("Two failed.", "Mend them.", ["a", "b"])))
    assert type(error) is BatchError and error.exit_code == 5
    assert error.lines == ("Two failed.", "a", "b") and error.remedy == "Mend them."
    assert str(error) == "Two failed.\n  a\n  b Mend them."
