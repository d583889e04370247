"""What a person sees while a command works, all of it on stderr."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# How much of the work each stage is, measured on 1080p H.264 with the library source.
STAGES = {"looking": (0.0, 0.8), "sounding": (0.8, 0.17), "muxing": (0.97, 0.03)}


@contextmanager
def show_progress(name: str, quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """A bar with the time left on a terminal; nothing in a pipe or with --quiet."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage, done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=1.0)

        def update(stage: str, done: float) -> None:
            begin, share = STAGES[stage]
            bar.update(task, completed=begin + share * done, description=f"{name} {stage}")

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

    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=total)
        yield lambda done: bar.update(task, completed=done)


def listen_for_warnings(*, quiet: bool, verbose: bool) -> list[str]:
    """Print the library's warnings to stderr, and collect them for --json."""
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage()
            if record.levelno >= logging.WARNING:
                heard.append(message)
            if not quiet:
                print(f"{record.levelname.lower()}: {message}", file=sys.stderr)

    logger = logging.getLogger("foleycli")
    logger.handlers[:] = [Listener()]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
    return heard
