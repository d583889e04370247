"""What a person sees while a command works, all of it on stderr."""

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from foleycli.cli.say import say, visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LOOKING, MUXING = 0.8, 0.03  # shares of the work, measured on 1080p H.264 with the library source


def split_work(looking: float = LOOKING) -> dict[str, tuple[float, float]]:
    """Stage -> where it begins and its share of the work."""
    sounding = 1 - MUXING - looking
    return {
        "looking": (0.0, looking),
        "asking": (looking, 0.0),  # nobody knows how long another's model takes
        "sounding": (looking, sounding),
        "muxing": (1 - MUXING, MUXING),
    }


@contextmanager
def show_progress(
    name: str, quiet: bool, looking: float = LOOKING
) -> Iterator[Callable[[str, float], None]]:
    """A bar with the time left on a terminal; nothing in a pipe or with --quiet.

    ``looking`` is the share of the work that looking at the picture is.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda stage, done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        name = visible(name)
        task = bar.add_task(name, total=1.0)
        stages = split_work(looking)

        def update(stage: str, done: float) -> None:
            begin, share = stages[stage]
            completed = max(bar.tasks[0].completed, begin + share * done)
            bar.update(task, completed=completed, description=f"{name} {stage}")

        yield update


@contextmanager
def count_progress(name: str, total: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar of things done, with the time left, on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    text = TextColumn("{task.description}", markup=False)  # a name may hold brackets and braces
    columns = (text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(visible(name), total=total)
        yield lambda done: bar.update(task, completed=done)


class BatchProgress:
    """A bar for the whole batch and, under it, one for each clip at work."""

    def __init__(self, bar: "Progress | None", total: int) -> None:
        self._bar = bar
        self._whole = bar.add_task("batch", total=total) if bar else None
        self._clips: dict[str, TaskID] = {}
        self._lock = threading.Lock()  # words of other processes come from a thread

    def tell(self, clip: str, stage: str, done: float) -> None:
        """A clip has come so far."""
        if self._bar is None:
            return
        begin, share = split_work()[stage]
        with self._lock:
            if clip not in self._clips:
                self._clips[clip] = self._bar.add_task("", total=1.0)
            name = f"  {visible(Path(clip).name[-40:])} {stage}"
            self._bar.update(self._clips[clip], completed=begin + share * done, description=name)

    def finish(self, clip: str) -> None:
        """A clip is done with, well or not."""
        if self._bar is None or self._whole is None:
            return
        with self._lock:
            if clip in self._clips:
                self._bar.remove_task(self._clips.pop(clip))
            self._bar.advance(self._whole)


@contextmanager
def batch_progress(total: int, quiet: bool) -> Iterator[BatchProgress]:
    """Bars on a terminal; nothing in a pipe or with --quiet."""
    if quiet or not sys.stderr.isatty():
        yield BatchProgress(None, total)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    # rich shows what is printed above the bars, on stderr: not where stdout goes to a file
    redirect = sys.stdout.isatty()
    with Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=redirect
    ) as bar:
        yield BatchProgress(bar, total)


def listen_for_warnings(*, quiet: bool, verbose: bool) -> list[str]:
    """Print the library's warnings to stderr, and collect them for --json."""
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage()
            if record.levelno >= logging.WARNING:
                heard.append(message)
            if not quiet:
                say(f"{record.levelname.lower()}: {message}", err=True)

    logger = logging.getLogger("foleycli")
    logger.handlers[:] = [Listener()]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
    return heard
