"""Files are written beside their place under a hidden name, flushed, then renamed."""

import errno
import os
import secrets
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from foleycli.errors import FoleyError, OutputExistsError, UsageError

_STOP_SIGNALS = [
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
]


@contextmanager
def atomic_output(
    path: str | Path, *, overwrite: bool = False, inputs: tuple[Path, ...] = ()
) -> Iterator[Path]:
    """Give a hidden path to write to; when the block ends well it becomes ``path``, or nothing.

    Never half a file: after an error, Ctrl-C, SIGTERM or SIGHUP the hidden file is gone and a
    file that stood at ``path`` is as it was. (SIGKILL and a power cut leave the hidden file.)

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
    hidden = target.with_name(f".foley-{secrets.token_hex(6)}{target.suffix}")
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


def check_output(
    path: str | Path, *, overwrite: bool = False, inputs: tuple[Path, ...] = ()
) -> Path:
    """Resolve where ``path`` would be written, before the slow part; errors as `atomic_output`."""
    target = Path(path).resolve()
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
