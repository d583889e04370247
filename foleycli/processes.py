"""Many independent tasks in several processes, and steps of one task side by side in threads."""

import logging
import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Generic, TypeVar

from foleycli.errors import FoleyError

LOG = logging.getLogger("foleycli")
Task = TypeVar("Task")
THREADS = "OMP_NUM_THREADS"  # read by torch, BLAS and OpenMP when they are loaded


def count_threads() -> int:
    """Threads this process may compute in: what OMP_NUM_THREADS says, else the cores it may use."""
    asked = os.environ.get(THREADS, "").partition(",")[0]
    if asked.isdecimal() and int(asked):
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Aside(Generic[Task]):
    """Does work on things, in the order in which they are handed in, in a thread beside.

    A few may wait; with more, whoever hands in waits himself, so that memory stays flat. Where the
    process has one core, or is to use one, nothing runs beside and work is done at once. Use it as
    a context manager: left by an exception, it drops what waits.
    """

    def __init__(self, work: Callable[[Task], None], ahead: int = 4) -> None:
        self._work = work
        self._problem: BaseException | None = None
        self._waiting: queue.Queue[tuple[Task] | None] = queue.Queue(ahead)
        self._thread: threading.Thread | None = None
        if count_threads() > 1:
            self._thread = threading.Thread(target=self._do, daemon=True)
            self._thread.start()

    def put(self, task: Task) -> None:
        """Hand in; raises what went wrong with an earlier one."""
        if self._thread is None:
            self._work(task)
            return
        self._waiting.put((task,))
        if self._problem is not None:
            self.finish()

    def finish(self) -> None:
        """Wait until all is done; raises what went wrong."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None
        problem, self._problem = self._problem, None
        if problem is not None:
            raise problem

    def _do(self) -> None:
        while (task := self._waiting.get()) is not None:
            if self._problem is not None:  # nobody is kept waiting
                continue
            try:
                self._work(*task)
            except BaseException as problem:  # raised to who hands in
                self._problem = problem

    def __enter__(self) -> "Aside[Task]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        elif self._thread is not None:
            self._problem = self._problem or RuntimeError("stopped")
            self._waiting.put(None)
            self._thread.join()
            self._thread = None


def do_all(
    work: Callable[[Task], None], tasks: Sequence[Task], jobs: int
) -> Iterator[tuple[Task, str]]:
    """Do every task and give it back with its problem, which is "" when it went well.

    Ctrl-C, SIGTERM and a consumer that stops end the processes in the middle of their tasks.

    Args:
        work: a function of a module, which other processes can import.
        jobs: processes, one thread each; with 1 all is done in this one.
    """
    if jobs <= 1:
        for task in tasks:
            yield task, attempt(work, task)
        return
    left: list[Task] = []
    with one_thread_each(), _pool(jobs) as pool:
        with _interrupts_held_back():
            futures = {pool.submit(attempt, work, task): task for task in tasks}
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool:
                left.append(futures[future])
    for task in left:  # one of them killed a process: each by itself, so that it is known which
        with one_thread_each(), _pool(1) as pool:
            try:
                with _interrupts_held_back():
                    future = pool.submit(attempt, work, task)
                yield task, future.result()
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


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with this one, however it ends."""
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    with ProcessPoolExecutor(jobs, context, initializer=_begin) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()
            raise


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Processes that begin meanwhile do not hear Ctrl-C: a terminal sends it to all, and it is
    this one that ends the others."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


_ending = False  # this process was asked to


def _begin() -> None:
    """What a process of the pool does first."""
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end(number: int, _frame: FrameType | None) -> None:
    """Leave the task, so that its temporary files go, and then the process."""
    global _ending
    _ending = True
    sys.exit(128 + number)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        with suppress(OSError):
            os.kill(os.getpid(), signal.SIGTERM)  # the main thread unwinds


def attempt(work: Callable[[Task], None], task: Task) -> str:
    """Do a task; its problem in words, "" when it went well."""
    try:
        work(task)
    except SystemExit as end:
        if _ending:  # the pool would take it for a result, and wait for another task
            os._exit(int(end.code or 0))
        raise
    except FoleyError as error:
        return str(error)
    except Exception as error:  # a bug of ours costs one clip, not the run
        LOG.exception("a bug")
        return f"{type(error).__name__}: {error}; this is a bug, please report it"
    return ""
