"""A batch, or a reel's shots, on Ray: on one machine or many that see the same folders."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from foleycli.cluster import as_they_end, connect
from foleycli.config import GenerateConfig
from foleycli.errors import FoleyError
from foleycli.sources.played import Played
from foleycli.spot.cues import Cue
from foleycli.timeline.batch import ATTEMPTS, Outcome, do_job, pass_done, wait_for_others
from foleycli.timeline.manifest import Job
from foleycli.timeline.sound import Doing, Failure, ShotSound, ShotTask

LOG = logging.getLogger("foleycli")


def run_on_ray(jobs: Sequence[Job], address: str | None = None) -> Iterator[Outcome]:
    """Do jobs as Ray tasks of one core each; outcomes come as they are done.

    A task whose worker or node dies runs again elsewhere; what it had finished stays finished.
    Paths are made absolute: every node must see the films and outputs under the same names.

    Args:
        address: of a cluster, such as ``auto`` or ``ray://head:10001``; None starts one here.

    Raises:
        UsageError: Ray is not installed.
        FoleyError: the cluster cannot be reached.
    """
    ray = connect(address)
    task = ray.remote(num_cpus=1, max_retries=ATTEMPTS)(do_job)
    todo: list[Job] = []
    yield from pass_done(jobs, todo)
    waiting = {task.remote(_absolute(job)): job for job in todo}
    again = ray.remote(num_cpus=1, max_retries=ATTEMPTS)(_do_after_others)
    for job, outcome, lost in as_they_end(ray, waiting):
        if lost:
            yield Outcome(str(job.clip), str(job.out), "failed", problem=f"Ray: {lost}",
                          remedy="Is there memory enough on its nodes?")  # fmt: skip
        elif outcome.state == "busy":
            waiting[again.remote(_absolute(job))] = job
        else:
            yield outcome


def _do_after_others(job: Job) -> Outcome:
    wait_for_others(job)
    return do_job(job)


def shots_on_ray(address: str | None = None) -> Doing:
    """What does a reel's shots as Ray tasks of one core each; as `run_on_ray`, and its errors."""
    ray = connect(address)

    def do(
        tasks: Sequence[ShotTask], progress: Callable[[int], None]
    ) -> Iterator[ShotSound | Failure]:
        remote = ray.remote(num_cpus=1, max_retries=ATTEMPTS)(_do_shot)
        waiting = {remote.remote(_seen_everywhere(task)): n for n, task in enumerate(tasks)}
        made: dict[int, ShotSound | Failure] = {}
        for number, outcome, lost in as_they_end(ray, waiting):
            if lost:
                error = FoleyError(f"Ray: {lost}", "Is there memory enough on its nodes?")
                made[number] = Failure(tasks[number].shot, error)
            else:
                made[number] = _as_here(outcome, tasks[number])
            progress(len(made))
        return (made[number] for number in range(len(tasks)))

    return do


@dataclass(frozen=True, slots=True)
class _Sounded:
    """What became of a shot on another machine."""

    cues: tuple[Cue, ...] = ()
    kept: bool = False
    played: Sequence[Played] | None = None
    problem: tuple[type[FoleyError], tuple[str, ...], str] | None = None
    said: tuple[tuple[int, str], ...] = ()  # level and words of the log


def _do_shot(task: ShotTask) -> _Sounded:
    """In a worker: open its source once, and do a shot."""
    from foleycli.timeline.batch import open_once

    with _overheard() as said:
        try:
            made = task.do(open_once(task.config))
        except FoleyError as error:
            made = Failure(task.shot, error)
        except OSError as error:  # a share that vanished, a file that went away
            reason = error.strerror or str(error)
            remedy = "Check that its disk or share is there, and run again."
            made = Failure(task.shot, FoleyError(f"{error.filename}: {reason}.", remedy))
    words = tuple(said)
    if isinstance(made, Failure):
        error = made.error
        return _Sounded(problem=(type(error), error.lines, error.remedy), said=words)
    return _Sounded(made.cues, made.kept, made.played, said=words)


def _as_here(outcome: _Sounded, task: ShotTask) -> ShotSound | Failure:
    for level, words in outcome.said:
        LOG.log(level, "%s", words)
    if outcome.problem is not None:
        kind, (problem, *listed), remedy = outcome.problem
        return Failure(task.shot, kind(problem, remedy, listed))
    return ShotSound(task.shot, task.wav, outcome.cues, outcome.kept, outcome.played)


@contextmanager
def _overheard() -> Iterator[list[tuple[int, str]]]:
    """What the library logs meanwhile, to be said where the reel is made."""
    said: list[tuple[int, str]] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append((record.levelno, record.getMessage()))

    listener = Listener()
    LOG.addHandler(listener)
    try:
        yield said
    finally:
        LOG.removeHandler(listener)


def _seen_everywhere(task: ShotTask) -> ShotTask:
    """As every node sees it: films, waves and recordings by their whole paths."""
    film = task.shot.film
    shot = replace(task.shot, film=replace(film, path=film.path.absolute()))
    return replace(task, shot=shot, wav=task.wav.absolute(), config=_absolute_config(task.config))


def _absolute_config(config: GenerateConfig) -> GenerateConfig:
    library = str(Path(config.library).absolute()) if config.library else None
    return replace(config, library=library)


def _absolute(job: Job) -> Job:
    return Job(job.clip.absolute(), job.out.absolute(), _absolute_config(job.config))
