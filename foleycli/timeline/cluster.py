"""A batch on Ray: the same jobs, on one machine or many that see the same folders."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from foleycli.errors import FoleyError, UsageError
from foleycli.install import get_extra
from foleycli.timeline.batch import ATTEMPTS, Outcome, do_job, pass_done, wait_for_others
from foleycli.timeline.manifest import Job


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
    ray = _connect(address)
    task = ray.remote(num_cpus=1, max_retries=ATTEMPTS)(do_job)
    todo: list[Job] = []
    yield from pass_done(jobs, todo)
    waiting = {task.remote(_absolute(job)): job for job in todo}
    again = ray.remote(num_cpus=1, max_retries=ATTEMPTS)(_do_after_others)
    while waiting:
        done, _ = ray.wait(list(waiting), num_returns=1)
        job = waiting.pop(done[0])
        try:
            outcome = ray.get(done[0])
            if outcome.state == "busy":
                waiting[again.remote(_absolute(job))] = job
            else:
                yield outcome
        except ray.exceptions.RayError as error:
            reason = str(error).strip().partition("\n")[0]
            yield Outcome(str(job.clip), str(job.out), "failed", problem=f"Ray: {reason}",
                          remedy="Is there memory enough on its nodes?")  # fmt: skip


def _do_after_others(job: Job) -> Outcome:
    wait_for_others(job)
    return do_job(job)


def _connect(address: str | None) -> Any:
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UsageError("Ray is not installed.", get_extra("ray")) from error
    if not ray.is_initialized():
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise FoleyError(
                f"No Ray cluster answers at {address}: {error}.",
                "Start one with `ray start --head`, or give --on ray alone.",
            ) from error
    return ray


def _absolute(job: Job) -> Job:
    return Job(job.clip.absolute(), job.out.absolute(), job.config)
