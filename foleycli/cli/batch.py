"""``foley batch``: many clips, resumable, in several processes or on several machines."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foleycli.cli import options
from foleycli.cli.progress import BatchProgress, batch_progress, listen_for_warnings
from foleycli.cli.say import say
from foleycli.config import BATCH, GenerateConfig
from foleycli.errors import BatchError, UsageError

if TYPE_CHECKING:
    from foleycli.timeline.batch import Outcome
    from foleycli.timeline.manifest import Job


@options.asks("batch")
def batch(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Clips, folders, quoted globs, or manifests (.jsonl, .csv) with a column clip and "
            "any of out, prompt, seed, takes, model ...",
            show_default=False,
        ),
    ],
    config: GenerateConfig,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for the videos; else beside each clip."),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", "-j", min=1, help="Processes at a time.", rich_help_panel=options.BEHAVIOUR
        ),
    ] = 1,
    shard: Annotated[
        str | None,
        typer.Option(
            help="Do part i/n of the list, such as 1/8; a Slurm array's by default.",
            rich_help_panel=options.BEHAVIOUR,
        ),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            help="'ray' for a cluster here, or the address of one: auto, ray://host.",
            rich_help_panel=options.BEHAVIOUR,
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Keep looking for new clips until Ctrl-C.",
            rich_help_panel=options.BEHAVIOUR,
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="List what would be done, with the time it takes.",
            rich_help_panel=options.BEHAVIOUR,
        ),
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Sound many clips. What is done already, from the same clip with the same options, is kept.

    Run the same command again after any interruption and it goes on. Clips that fail are named at
    the end, with exit code 5.
    """
    from foleycli.timeline.manifest import find_jobs, take_shard

    listen_for_warnings(quiet=quiet, verbose=verbose)
    if watch:
        _watch(inputs, output, config, as_json)
        return
    todo = take_shard(find_jobs(inputs, output, config), shard)
    if dry_run:
        _say_plan(todo, jobs, as_json)
        return
    began = time.monotonic()
    with batch_progress(len(todo), quiet=quiet) as progress:
        outcomes = list(_told(_outcomes(todo, jobs, on, progress), as_json, progress))
    _finish(outcomes, time.monotonic() - began, as_json)


def _outcomes(
    todo: list["Job"], jobs: int, on: str | None, progress: BatchProgress
) -> Iterator["Outcome"]:
    if on is None:
        from foleycli.timeline.batch import run_batch

        return run_batch(todo, jobs, progress.tell)
    from foleycli.timeline.cluster import run_on_ray

    return run_on_ray(todo, None if on in ("ray", "local") else on)


def _watch(inputs: list[str], output: Path | None, config: GenerateConfig, as_json: bool) -> None:
    from foleycli.timeline.batch import run_batch, watch_folder
    from foleycli.timeline.manifest import find_jobs

    if output is None:
        raise UsageError("--watch needs a folder for the videos.", "Give it with -o.")

    def find() -> list["Job"]:
        return find_jobs(inputs, output, config)

    with batch_progress(0, quiet=True) as progress:
        outcomes = (outcome for job in watch_folder(find) for outcome in run_batch([job]))
        for _ in _told(outcomes, as_json, progress):
            pass


def _told(
    outcomes: Iterable["Outcome"], as_json: bool, progress: BatchProgress
) -> Iterator["Outcome"]:
    """Say each outcome as it comes."""
    for outcome in outcomes:
        progress.finish(outcome.clip)
        if as_json:
            print(json.dumps(asdict(outcome)), flush=True)
        elif outcome.state == "failed":
            say(f"failed  {outcome.clip}: {outcome.problem}")
        else:
            say(f"{outcome.state:<7} {outcome.out}")
        yield outcome


def _say_plan(todo: list["Job"], workers: int, as_json: bool) -> None:
    from foleycli.clip.probe import probe
    from foleycli.errors import FoleyError

    seconds = 0.0
    for job in todo:
        row = {"clip": str(job.clip), "out": str(job.out), "prompt": job.config.prompt,
               "seed": job.config.seed, "takes": job.config.takes}  # fmt: skip
        try:
            row["seconds"] = float(probe(job.clip).duration or 0)
            seconds += row["seconds"]
        except FoleyError as error:
            row["problem"] = error.problem
        if as_json:
            print(json.dumps(row))
        else:
            length = row.get("problem") or f"{row['seconds']:.2f} s"
            say(f"{row['clip']} -> {row['out']}  ({length})")
    if not as_json:
        needed = workers * BATCH.start + seconds * BATCH.work_ratio
        say(f"{len(todo)} clips, {seconds:.0f} s of film: about {needed / workers:.0f} s of work")


def _finish(outcomes: list["Outcome"], seconds: float, as_json: bool) -> None:
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    kept = sum(outcome.state == "kept" for outcome in outcomes)
    if not as_json:
        say(f"{len(outcomes) - len(failed)} of {len(outcomes)} done ({kept} were) "
            f"in {seconds:.0f} s")  # fmt: skip
    if failed:
        raise BatchError(
            f"{len(failed)} of {len(outcomes)} clips failed, the others are done.",
            "Mend those named and run the same command again.",
            (f"{o.clip}: {o.problem} {o.remedy}" for o in failed),
        )
