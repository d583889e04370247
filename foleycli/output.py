"""Files are written beside their place under a hidden name, flushed, then renamed.

A hidden name says which process on which machine it belongs to, so that what a killed run leaves
is known for litter and removed by the next one that writes there.
"""

import errno
import os
import platform
import re
import secrets
import shutil
import signal
import stat
import tempfile
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from foleycli.errors import FoleyError, OutputExistsError, UsageError

HIDDEN = re.compile(r"\.foley-(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]+(\.\w+)?")
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/+[^/]", re.IGNORECASE)  # http://host, pipe:/x; not C:/
STREAM = re.compile(r"-|pipe:\d*|fd:\d*|/dev/(std(in|out|err)|fd/\d+)|/proc/\w+/fd/\d+")
_STOP_SIGNALS = [
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
]


@contextmanager
def atomic_output(
    path: str | Path, *, overwrite: bool = False, inputs: tuple[Path, ...] = ()
) -> Iterator[Path]:
    """Give a hidden path to write to; when the block ends well it becomes ``path``, or nothing.

    Never half a file: after an error, Ctrl-C, SIGTERM or SIGHUP the hidden file is gone and a
    file that stood at ``path`` is as it was. What SIGKILL leaves, the next run here removes.

    Args:
        path: where the file shall stand; a symlink is followed.
        overwrite: replace a file that is there already.
        inputs: files that must not be written over, whatever name or link leads to them.

    Raises:
        OutputExistsError: ``path`` is there and ``overwrite`` is False.
        UsageError: ``path`` is one of ``inputs``, a folder or a device, or its folder is missing.
        FoleyError: disk full, or no permission.
    """
    target = check_output(path, overwrite=overwrite, inputs=inputs)
    clear_leftovers(target.parent)
    hidden = target.with_name(_hidden_name() + target.suffix)
    with _stop_signals_raise():
        try:
            yield hidden
            flush(hidden)
            check_output(path, overwrite=overwrite, inputs=inputs)  # it may have come meanwhile
            hidden.replace(target)
            flush(target.parent)
        except OSError as error:
            raise output_error(error, target) from error
        finally:
            with suppress(OSError):
                hidden.unlink(missing_ok=True)


@contextmanager
def scratch_folder(beside: Path | None = None) -> Iterator[Path]:
    """Give a folder for a while, hidden in ``beside``, or among the system's temporary files.

    It goes when the block ends, however it ends; after SIGKILL when the next run comes by.
    """
    try:
        there = Path(tempfile.gettempdir()) if beside is None else beside
        clear_leftovers(there)
        folder = there / _hidden_name()
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise FoleyError(
            f"No temporary folder can be made: {error.strerror or error}.",
            "Set TMPDIR to a folder you can write.",
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_leftovers(folder: Path) -> int:
    """Remove what processes of this machine that are no more left hidden in a folder; how many.

    Nothing of a living process, of another machine or container, or by another's naming is touched.
    """
    cleared = 0
    for path in folder.glob(".foley-*"):
        name = HIDDEN.fullmatch(path.name)
        if not name or name["machine"] != _machine() or _is_alive(int(name["process"])):
            continue
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            cleared += 1
    return cleared


def _hidden_name() -> str:
    return f".foley-{_machine()}-{os.getpid()}-{secrets.token_hex(6)}"


@cache
def _machine() -> str:
    """8 digits that tell machines apart, and containers, which count processes on their own."""
    counting = ""
    with suppress(OSError):
        counting = str(Path("/proc/self/ns/pid").readlink())
    return f"{zlib.crc32((platform.node() + counting).encode()):08x}"


def _is_alive(process: int) -> bool:
    if os.name == "nt":  # asking there would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def check_output(
    path: str | Path, *, overwrite: bool = False, inputs: tuple[Path, ...] = ()
) -> Path:
    """Resolve where ``path`` would be written, before the slow part; errors as `atomic_output`."""
    check_path(path)
    try:
        target = Path(path).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a loop, a name that is none
        raise UsageError(f"{path} is no place to write to: {error}.", "Name another.") from error
    try:
        target.stat()
    except FileNotFoundError:
        pass
    except OSError as error:  # the name is too long, or a file stands where a folder should
        raise output_error(error, target) from error
    if target.is_dir():
        raise UsageError(f"{path} is a folder.", "Name a file in it.")
    if target.exists() and not target.is_file():
        raise UsageError(f"{path} is not an ordinary file.", "Name a file to write.")
    if any(_is_same_file(target, source) for source in inputs):
        raise UsageError(f"{path} is the input itself.", "Choose another output name.")
    if target.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists.", "Choose another name, or give --overwrite.")
    if not target.parent.is_dir():
        raise UsageError(f"The folder {target.parent} does not exist.", "Create it first.")
    if not os.access(target.parent, os.W_OK):
        raise output_error(PermissionError(errno.EACCES, "permission denied"), target)
    return target


def check_path(path: str | Path, does: str = "writes") -> None:
    """Refuse an address, ``-`` and standard streams in the place of a file's name.

    Args:
        does: "reads" or "writes".

    Raises:
        UsageError: it is one.
    """
    name = str(path)
    if STREAM.fullmatch(name) and not (name == "-" and does == "reads" and Path(name).is_file()):
        raise UsageError(f"foley {does} files, and {name} is a stream.", "Name a file.")
    if ADDRESS.match(name) and not Path(name).parent.is_dir():
        what = "Download it first." if does == "reads" else "Name a file, and upload it then."
        raise UsageError(f"foley {does} files, and {name} is an address.", what)


def make_folder(folder: Path) -> None:
    """Make a folder for outputs, and those above it.

    Raises:
        UsageError: it is an address, or a file is in its place.
        FoleyError: it cannot be made.
    """
    check_path(folder)
    for above in (folder, *folder.parents):
        if above.is_file():
            raise UsageError(f"{above} is a file, not a folder.", "Choose another place with -o.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(error, folder) from error


def _is_same_file(target: Path, source: Path) -> bool:
    if target == source.resolve():
        return True
    return target.exists() and source.exists() and target.samefile(source)


def flush(path: Path) -> None:
    """Ask the system to bring a file (or a folder's entries) to the disk."""
    is_folder = stat.S_ISDIR(path.stat().st_mode)
    if is_folder and os.name == "nt":
        return  # a folder cannot be opened there
    handle = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:  # some network and FUSE file systems have no fsync
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def output_error(error: OSError, target: Path) -> FoleyError:
    """What a failed write means for the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FoleyError(
            f"The disk is full: {target} was not written.", "Free some space or choose another -o."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return FoleyError(
            f"No permission to write in {target.parent}.", "Choose another folder with -o."
        )
    reason = error.strerror or str(error)
    return FoleyError(f"Could not write {target}: {reason}.", "Choose another place with -o.")


@contextmanager
def _stop_signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack as Ctrl-C does, where nobody else handles them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {sign: signal.getsignal(sign) for sign in _STOP_SIGNALS}
    ours = [sign for sign, handler in kept.items() if handler == signal.SIG_DFL]
    for sign in ours:
        signal.signal(sign, _exit_on_signal)
    try:
        yield
    finally:
        for sign in ours:
            signal.signal(sign, signal.SIG_DFL)


def _exit_on_signal(signal_number: int, _frame: object) -> None:
    raise SystemExit(128 + signal_number)
