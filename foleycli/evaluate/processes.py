"""Many independent tasks in several processes; what one of them breaks costs nobody else."""

import logging
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from foleycli.errors import FoleyError

LOG = logging.getLogger("foleycli")
Task = TypeVar("Task")


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
    with _pool(jobs) as pool:
        futures = {pool.submit(_attempt, work, task): task for task in tasks}
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool:
                left.append(futures[future])
    for task in left:  # one of them killed a process: each by itself, so that it is known which
        with _pool(1) as pool:
            try:
                yield task, pool.submit(_attempt, work, task).result()
            except BrokenProcessPool:
                yield task, "the process died over it; is there memory enough?"


def _pool(jobs: int) -> ProcessPoolExecutor:
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_one_thread)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _attempt(work: Callable[[Task], None], task: Task) -> str:
    try:
        work(task)
    except FoleyError as error:
        return str(error)
    except Exception as error:  # a bug of ours costs one clip, not the run
        LOG.exception("a bug")
        return f"{type(error).__name__}: {error}; this is a bug, please report it"
    return ""
