"""Many independent tasks in several processes; what one of them breaks costs nobody else."""

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from foleycli.errors import FoleyError

LOG = logging.getLogger("foleycli")
Task = TypeVar("Task")
THREADS = "OMP_NUM_THREADS"  # read by torch, BLAS and OpenMP when they are loaded


def do_all(
    work: Callable[[Task], None], tasks: Sequence[Task], jobs: int
) -> Iterator[tuple[Task, str]]:
    """Do every task and give it back with its problem, which is "" when it went well.

    Args:
        work: a function of a module, which other processes can import.
        jobs: processes, one thread each; with 1 all is done in this one.
    """
    if jobs <= 1:
        for task in tasks:
            yield task, _attempt(work, task)
        return
    left: list[Task] = []
    with one_thread_each(), _pool(jobs) as pool:
        futures = {pool.submit(_attempt, work, task): task for task in tasks}
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool:
                left.append(futures[future])
    for task in left:  # one of them killed a process: each by itself, so that it is known which
        with one_thread_each(), _pool(1) as pool:
            try:
                yield task, pool.submit(_attempt, work, task).result()
            except BrokenProcessPool:
                yield task, "the process died over it; is there memory enough?"


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes that begin meanwhile compute with one thread, in every library.

    Threads of processes that share the cores wait for each other by spinning, and that costs more
    than they gain.
    """
    before = os.environ.get(THREADS)
    os.environ[THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[THREADS]
        else:
            os.environ[THREADS] = before


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))


def _attempt(work: Callable[[Task], None], task: Task) -> str:
    try:
        work(task)
    except FoleyError as error:
        return str(error)
    except Exception as error:  # a bug of ours costs one clip, not the run
        LOG.exception("a bug")
        return f"{type(error).__name__}: {error}; this is a bug, please report it"
    return ""
