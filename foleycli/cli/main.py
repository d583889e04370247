"""The command line: one file a command, and the one place that turns an error into words."""

import gc
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from foleycli.cli import (
    batch,
    credits,
    cues,
    data,
    doctor,
    edit,
    eval,
    fill,
    gen,
    highlight,
    loudness,
    models,
    preview,
    probe,
    reconform,
    redo,
    shots,
    timeline,
    train,
    visualize,
)
from foleycli.cli.say import say_error, visible
from foleycli.errors import FoleyError
from foleycli.folders import cache_folder
from foleycli.version import VERSION

INTERRUPTED = 130  # exit code of Ctrl-C


class _Commands(TyperGroup):
    """What Typer itself refuses, such as one file too many of a pattern, is shown as ours is."""

    def make_context(self, *words: Any, **given: Any) -> Any:
        with _shown():
            return super().make_context(*words, **given)

    def invoke(self, ctx: Any) -> Any:
        with _shown():
            return super().invoke(ctx)


@contextmanager
def _shown() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if form := getattr(error, "format_message", None):
            message = "\n".join(map(visible, form().split("\n")))
            error.format_message = lambda: message  # type: ignore[attr-defined]
        raise


app = typer.Typer(
    name="foley",
    cls=_Commands,
    help="Foley for film: a silent clip in, the same picture with fitting sound out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"foley {VERSION}")
        raise typer.Exit


@app.callback()
def _foley(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say which it is."),
    ] = False,
) -> None: ...


app.command()(gen.gen)
app.command()(batch.batch)
app.command()(highlight.highlight)
app.command()(redo.redo)
app.command()(timeline.timeline)
app.command()(reconform.reconform)
app.command()(cues.cues)
app.command()(fill.fill)
app.command()(credits.credits)
app.command()(visualize.visualize)
app.command()(edit.edit)
app.command()(preview.preview)
app.command()(shots.shots)
app.command()(loudness.loudness)
app.command()(probe.probe)
app.command()(doctor.doctor)
app.add_typer(models.app, name="models")
app.add_typer(eval.app, name="eval")
app.add_typer(data.app, name="data")
app.add_typer(train.app, name="train")


def main() -> None:
    """Entry point of ``foley``. A FoleyError becomes two lines and its exit code; a bug keeps
    its traceback; Ctrl-C says so and ends with 130."""
    gc.freeze()  # modules stay: no collection need look through them while more are loaded
    signal.signal(signal.SIGTERM, _stop)
    with suppress(RuntimeError):  # nobody's home: a container without one
        # matplotlib's list of fonts goes into our cache, not into a folder of its own in the home
        os.environ.setdefault("MPLCONFIGDIR", str(cache_folder("matplotlib")))
    # numpy's products are small here: threads of its BLAS wait for each other longer than they work
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # no run ends over a name that it cannot show
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except FoleyError as error:
        say_error(error)
        sys.exit(error.exit_code)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:  # Typer makes Ctrl-C an exit of its own
            print("interrupted; nothing half-written is left behind", file=sys.stderr)
        raise


def _stop(signal_number: int, _frame: FrameType | None) -> None:
    """Unwind as Ctrl-C does, so that temporary files go."""
    raise SystemExit(128 + signal_number)


if __name__ == "__main__":
    main()
