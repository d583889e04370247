"""Many independent tasks on Ray: on one machine or many that see the same folders."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from foleycli.errors import FoleyError, UsageError
from foleycli.install import get_extra
from foleycli.processes import attempt

Task = TypeVar("Task")
ATTEMPTS = 3  # how often a task begins again whose worker or node died
HERE = "ray"  # --on: a cluster on this machine


def connect(address: str | None) -> Any:
    """Ray's module, connected.

    Args:
        address: of a cluster, such as ``auto`` or ``ray://head:10001``; None starts one here.

    Raises:
        UsageError: Ray is not installed.
        FoleyError: the cluster cannot be reached.
    """
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


def do_on_ray(
    work: Callable[[Task], None], tasks: Sequence[Task], on: str
) -> Iterator[tuple[Task, str]]:
    """Do every task, one core each, and give it back with its problem, as `processes.do_all` does.

    A task whose worker or node dies begins again elsewhere. Every node must see the same folders
    under the same names, and have this version of foleycli.

    Args:
        work: a function of a module, which other processes can import.
        on: `HERE`, or the address of a cluster.

    Raises:
        UsageError: Ray is not installed.
        FoleyError: the cluster cannot be reached.
    """
    ray = connect(None if on == HERE else on)
    remote = ray.remote(num_cpus=1, max_retries=ATTEMPTS)(attempt)
    waiting = {remote.remote(work, task): task for task in tasks}
    try:
        for task, problem, lost in as_they_end(ray, waiting):
            yield task, f"{lost} (Ray; is there memory enough on its nodes?)" if lost else problem
    finally:
        for left in waiting:  # whoever listens has stopped
            ray.cancel(left, force=True)


def as_they_end(ray: Any, waiting: dict[Any, Task]) -> Iterator[tuple[Task, Any, str]]:
    """Tasks that run on Ray, as they end: the task, its result, and how it was lost, if it was.

    Args:
        waiting: what is still to come, by Ray's references; more may join meanwhile.
    """
    while waiting:
        done, _ = ray.wait(list(waiting), num_returns=1)
        task = waiting.pop(done[0])
        result, lost = None, ""
        try:
            result = ray.get(done[0])
        except ray.exceptions.RayError as error:
            lost = str(error).strip().partition("\n")[0] or type(error).__name__
        yield task, result, lost
