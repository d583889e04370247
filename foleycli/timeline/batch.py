"""Many clips: what is done stays done, what fails does not stop the rest, and a run that was killed
goes on where it was."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from functools import partial
from logging.handlers import QueueHandler
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from foleycli.clip.media import check_unchanged, content_hash, stamp
from foleycli.config import GenerateConfig
from foleycli.errors import FoleyError, MediaError
from foleycli.mux.names import adm_path, sound_paths, take_paths
from foleycli.mux.sign import is_signed
from foleycli.processes import one_thread_each
from foleycli.recipe import read_recipe, recipe_path
from foleycli.sources.identity import few_steps, own_speed, source_fingerprint
from foleycli.sources.speed import settle
from foleycli.spot.cues import read_cues
from foleycli.timeline.manifest import Job
from foleycli.version import VERSION

if TYPE_CHECKING:
    from foleycli.sources.open import Source

LOG = logging.getLogger("foleycli")
State = Literal["made", "kept", "failed", "busy"]  # busy: another run makes it now
Progress = Callable[[str, str, float], None]  # clip, stage, how much of it is done
PAUSE = 0.2  # seconds between two words of a process on its progress
PATIENCE = 0.5  # seconds between two looks whether another run has finished an output
ATTEMPTS = 3  # times a job is tried whose process dies under it
# Options that do not change what is made.
_INDIFFERENT = {"takes", "overwrite", "verify", "offline", "device", "cues", "wav", "model", "seed",
                 "sign", "certificate", "key", "timestamp", "adm"}  # fmt: skip
_DECISIVE = [field.name for field in fields(GenerateConfig) if field.name not in _INDIFFERENT]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job; plain, so that it travels between machines."""

    clip: str
    out: str
    state: State
    seconds: float = 0.0  # it took
    sounds: int = 0
    waveform_hash: str = ""
    problem: str = ""
    remedy: str = ""


def nobody(clip: str, stage: str, done: float) -> None:
    """Progress that nobody watches."""


def run_batch(
    jobs: Sequence[Job], workers: int = 1, progress: Progress = nobody
) -> Iterator[Outcome]:
    """Do jobs on this machine, in as many processes; outcomes come as they are done, first of all
    what is done already, which loads no model, and at last what another run was at, which is waited
    for.

    Every process computes with one thread, so that the sound does not depend on ``workers``.

    Args:
        progress: told the clip, the stage, and how much of it is done.
    """
    todo: list[Job] = []
    yield from pass_done(jobs, todo)
    by_out = {str(job.out): job for job in todo}
    while todo:
        outcomes = (
            (do_job(job, progress) for job in todo)
            if workers <= 1
            else _in_processes(todo, min(workers, len(todo)), progress)
        )
        busy: list[Job] = []
        for outcome in outcomes:
            if outcome.state == "busy":
                busy.append(by_out[outcome.out])
            else:
                yield outcome
        for job in busy:
            wait_for_others(job)
        todo = busy


def pass_done(jobs: Sequence[Job], todo: list[Job]) -> Iterator[Outcome]:
    """Outcomes of the jobs that are done already; the others go to ``todo``."""
    for job in jobs:
        made = ""
        with suppress(FoleyError, OSError):  # `do_job` finds it too, and says so
            made = find_done(job, source_fingerprint(job.config))
        if made:
            yield Outcome(str(job.clip), str(job.out), "kept", waveform_hash=made)
        else:
            todo.append(job)


def do_job(job: Job, progress: Progress = nobody) -> Outcome:
    """Sound one clip, unless that is done already, or another run is at it. Never raises for what a
    clip can cause."""
    began = time.monotonic()
    names = str(job.clip), str(job.out)
    try:
        source = _source(job)
        if made := find_done(job, source.fingerprint):
            return Outcome(*names, "kept", waveform_hash=made)
        with _claim(job.out) as left_behind:
            if made := find_done(job, source.fingerprint):  # by another run, meanwhile
                return Outcome(*names, "kept", waveform_hash=made)
            sounds, waveform_hash = _generate(job, source, left_behind, progress)
    except _BusyError as error:
        return Outcome(*names, "busy", problem=error.problem, remedy=error.remedy)
    except FoleyError as error:
        took = time.monotonic() - began
        return Outcome(*names, "failed", took, problem=error.problem, remedy=error.remedy)
    except OSError as error:  # a share that vanished, a file that went away
        took = time.monotonic() - began
        reason = error.strerror or str(error)
        return Outcome(*names, "failed", took, problem=f"{job.clip}: {reason}.",
                       remedy="Check that its disk or share is there, and run again.")  # fmt: skip
    except Exception as error:  # a bug of ours costs one clip, not the night's batch
        LOG.exception("%s: a bug", job.clip)
        took = time.monotonic() - began
        return Outcome(*names, "failed", took, problem=f"{type(error).__name__}: {error}.",
                       remedy="This is a bug: please report it with the clip.")  # fmt: skip
    return Outcome(*names, "made", time.monotonic() - began, sounds, waveform_hash)


def _generate(job: Job, source: "Source", left_behind: bool, progress: Progress) -> tuple[int, str]:
    from foleycli.generate import generate

    overwrite = job.config.overwrite or left_behind
    before = content_hash(job.clip)
    config, told = replace(job.config, overwrite=overwrite), partial(progress, str(job.clip))
    result = generate(job.clip, job.out, config, source, told)
    try:
        check_unchanged(job.clip, before)
    except MediaError:
        for take in result.takes:
            take.out.unlink(missing_ok=True)
            take.recipe.unlink(missing_ok=True)
        raise
    return len(result.cues), result.takes[0].waveform_hash


_sources: dict[tuple[str | None, ...], "Source"] = {}


def _source(job: Job) -> "Source":
    return open_once(job.config)


def open_once(config: GenerateConfig) -> "Source":
    """A source of sound, opened once a process, that computes with one thread."""
    import torch

    from foleycli.sources.open import open_source

    torch.set_num_threads(1)
    key = (config.model, config.library, config.device, config.encoder)
    if key not in _sources:
        _sources[key] = open_source(config)
    return _sources[key]


def find_done(job: Job, fingerprint: str) -> str:
    """The waveform's hash if the output is there, made of this clip with these options; or "".

    Args:
        fingerprint: of the source of sound.
    """
    outs = take_paths(job.out, job.config.takes)
    hashes = [_made(job, out, number, fingerprint) for number, out in enumerate(outs)]
    return hashes[0] if all(hashes) else ""


def _made(job: Job, out: Path, number: int, fingerprint: str) -> str:
    recipe_file = recipe_path(out)
    if not (out.is_file() and recipe_file.is_file() and job.clip.is_file()):
        return ""
    if not all(wav.is_file() for wav in sound_paths(out, job.config)[:1]):  # layers may be silent
        return ""
    if job.config.sign and not is_signed(out):
        return ""
    if job.config.adm and not adm_path(out.with_suffix(".wav")).is_file():
        return ""
    try:
        recipe = read_recipe(recipe_file)
        cues = tuple(read_cues(Path(job.config.cues))) if job.config.cues else recipe.cues
    except (FoleyError, OSError):
        return ""
    asked = settle(job.config, own_speed(job.config), few_steps(job.config))
    same = all(getattr(recipe.config, name) == getattr(asked, name) for name in _DECISIVE)
    same = same and recipe.config.seed == job.config.seed + number and cues == recipe.cues
    same = same and (recipe.foleycli, recipe.source_fingerprint) == (VERSION, fingerprint)
    if not same:
        return ""
    known = recipe.clip_stamp and recipe.clip_stamp == stamp(job.clip)
    return recipe.waveform_hash if known or recipe.clip_hash == content_hash(job.clip) else ""


class _BusyError(FoleyError):
    """Another run is making the same output."""


def wait_for_others(job: Job) -> None:
    """Return when no other run is making a job's output, however long that takes: a run that ends,
    or is killed, lets go of it."""
    told = False
    while _is_held(_claim_of(job.out)):
        if not told:
            LOG.warning("%s is being made by another run: waiting for it.", job.out)
        told = True
        time.sleep(PATIENCE)


def _claim_of(out: Path) -> Path:
    return out.with_name(f".foley-{out.name[:180]}.claim")


def _is_held(claim: Path) -> bool:
    """Whether a run that lives holds a claim."""
    try:
        with claim.open("r+b") as file:
            return not _lock(file)
    except OSError:  # it is not there any more; anything else is said when the output is made
        return False


@contextmanager
def _claim(out: Path) -> Iterator[bool]:
    """Hold an output while it is made, against a second run on the same folder.

    Gives whether a run that was killed left a claim behind: what stands at ``out`` is then its own
    and may be replaced.

    Raises:
        FoleyError: another run is making it.
    """
    claim = _claim_of(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        left_behind = claim.exists()
        file = None if out.exists() and not left_behind else claim.open("a+b")
    except OSError as error:
        raise FoleyError(
            f"{out.parent} cannot be written: {error.strerror}.", "Choose another folder with -o."
        ) from error
    if file is None:
        yield False  # kept or replaced as --overwrite says
        return
    if not _lock(file) or not _is_still(claim, file):
        file.close()
        raise _BusyError(f"{out} is being made by another run.", "Wait for it to finish.")
    try:
        yield left_behind
        claim.unlink(missing_ok=True)
    except BaseException:
        if not out.exists():
            claim.unlink(missing_ok=True)
        raise
    finally:
        file.close()


def _is_still(claim: Path, file: IO[bytes]) -> bool:
    """Whether a file that was opened is the one that stands there: the run that held it may have
    removed it meanwhile, and another may have made its own."""
    try:
        return os.path.samestat(claim.stat(), os.fstat(file.fileno()))
    except OSError:
        return False


def _lock(file: IO[bytes]) -> bool:
    """Whether a file is ours now; a lock ends with its process, however that ends."""
    try:
        import fcntl
    except ImportError:  # Windows: an open claim cannot be told from one left behind
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _in_processes(jobs: Sequence[Job], workers: int, progress: Progress) -> Iterator[Outcome]:
    """As many at a time as there are workers; when one dies, its jobs are tried again, and at last
    given up alone."""
    waiting = deque((job, 1) for job in jobs)
    while waiting:
        # after a death, one by one, so that the job that kills is known
        room = 1 if any(attempt > 1 for _, attempt in waiting) else workers
        with one_thread_each(), _pool(room, progress) as pool:
            broken = yield from _fill(pool, room, waiting)
        for job, attempt in reversed(broken):
            if attempt < ATTEMPTS:
                waiting.appendleft((job, attempt + 1))
            else:
                yield _given_up(job)


def _fill(
    pool: ProcessPoolExecutor, room: int, waiting: deque[tuple[Job, int]]
) -> Generator[Outcome, None, list[tuple[Job, int]]]:
    """Keep a pool busy until nothing waits; gives back what was at work when a process died."""
    running: dict[Future[Outcome], tuple[Job, int]] = {}
    broken: list[tuple[Job, int]] = []
    while (waiting or running) and not broken:
        while waiting and len(running) < room:
            entry = waiting.popleft()
            try:
                running[pool.submit(_do_and_tell, do_job, entry[0])] = entry
            except BrokenProcessPool:
                broken.append(entry)
                break
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            entry = running.pop(future)
            try:
                yield future.result()
            except BrokenProcessPool:
                broken.append(entry)
    return [*broken, *running.values()]


@contextmanager
def _pool(workers: int, progress: Progress) -> Iterator[ProcessPoolExecutor]:
    """Processes that tell of their progress through a queue. On the way out of an error or Ctrl-C
    they are told to stop at once, and clean up behind themselves."""
    spawn = multiprocessing.get_context("spawn")
    words = spawn.Queue()
    words.cancel_join_thread()
    listener = threading.Thread(target=_listen, args=(words, progress), daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_begin, initargs=(words,))
    try:
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()  # SIGTERM, which unwinds as Ctrl-C does
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        words.put(None)
        listener.join(1.0)


def _listen(words: Any, progress: Progress) -> None:
    while word := words.get():
        if isinstance(word, logging.LogRecord):
            LOG.handle(word)
        else:
            progress(*word)


_words: Any = None  # a worker's queue to the process that shows progress


def _begin(words: Any) -> None:
    """In a new worker: Ctrl-C is its parent's to answer; SIGTERM unwinds. A worker whose parent is
    killed ends too, which it would not learn of from its empty queue."""
    global _words
    _words = words
    words.cancel_join_thread()  # a worker that was killed may hold the queue's lock
    LOG.addHandler(QueueHandler(words))  # what it warns of is said where its parent says things
    LOG.propagate = False
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _do_and_tell(do: Callable[[Job, Progress], Outcome], job: Job) -> Outcome:
    last = 0.0

    def tell(clip: str, stage: str, done: float) -> None:
        nonlocal last
        if _words is not None and (time.monotonic() - last > PAUSE):
            last = time.monotonic()
            _words.put((clip, stage, done))

    return do(job, tell)


def _given_up(job: Job) -> Outcome:
    return Outcome(
        str(job.clip),
        str(job.out),
        "failed",
        problem=f"{job.clip.name}: the process died {ATTEMPTS} times over it.",
        remedy="Is there memory enough? Convert the clip to H.264 .mp4 and run again.",
    )


def watch_folder(
    find: Callable[[], list[Job]], pause: float = 2.0, rounds: int | None = None
) -> Iterator[Job]:
    """Jobs as their clips appear and have stopped growing for one pause; runs until stopped.

    Args:
        find: looks for the jobs there are now.
        pause: seconds between two looks.
        rounds: looks after which to stop; None never.
    """
    sizes: dict[Path, tuple[int, float]] = {}
    given: set[tuple[Path, tuple[int, float]]] = set()
    while rounds is None or rounds > 0:
        for job in _found(find):
            with suppress(OSError):
                state = job.clip.stat()
                size = state.st_size, state.st_mtime
                if sizes.get(job.clip) == size and size[0] and (job.clip, size) not in given:
                    given.add((job.clip, size))
                    yield job
                sizes[job.clip] = size
        rounds = None if rounds is None else rounds - 1
        if rounds != 0:
            time.sleep(pause)


def _found(find: Callable[[], list[Job]]) -> list[Job]:
    try:
        return find()
    except MediaError:  # still empty
        return []
