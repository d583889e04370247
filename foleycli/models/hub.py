"""Files of a model hub: fetched once, resumed where a fetch broke off, checked by sha256.

huggingface-hub speaks to the server (tokens, mirrors, redirects); it checks no hashes, waits long
on a dead server and, of late, forgets what a broken-off fetch had. Those three are done here.
"""

import hashlib
import json
import os
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.errors import HTTPError as TransportError  # type: ignore[attr-defined]
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers
from tqdm import tqdm

from foleycli.documents import parse_json
from foleycli.errors import FoleyError, ModelError
from foleycli.folders import cache_folder, make_folder
from foleycli.models.bundle import sha256_of
from foleycli.output import atomic_output

REACH_TIMEOUT = 3.0  # seconds; huggingface-hub alone waits 23 s a file on a dead server
OFFLINE_REMEDY = "Connect once without --offline and HF_HUB_OFFLINE, then it works offline."

# (bytes of this file so far, bytes of it in all)
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """One file at one revision of a repository, with what is known of it beforehand."""

    repo: str  # owner/name
    path: str  # inside the repository
    revision: str  # commit, tag or branch
    sha256: str | None = None  # pinned in the registry, or its first digits where no more is known
    url: str | None = None  # of a file that is on no hub
    md5: str | None = None  # where its makers published no more

    @property
    def name(self) -> str:
        """File name without its folder."""
        return self.path.rpartition("/")[2]

    @property
    def key(self) -> str:
        """How the lock file calls it."""
        return f"{self.repo}@{self.revision}/{self.path}"


@dataclass(frozen=True, slots=True)
class Remote:
    """What the server says of a file before it is fetched."""

    size: int  # bytes
    etag: str  # sha256 for files in large-file storage
    url: str
    commit: str  # that its revision stands for


def hub_endpoint() -> str:
    """Address of the hub: ``$HF_ENDPOINT``, or the public one."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def is_offline(asked: bool = False) -> bool:
    """Whether the network must not be used: ``--offline`` or ``$HF_HUB_OFFLINE``."""
    set_now = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
    return asked or set_now or constants.HF_HUB_OFFLINE


def check_reachable(timeout: float = REACH_TIMEOUT) -> None:
    """Ask the hub for anything at all; any answer will do.

    Raises:
        ModelError: none came within ``timeout`` seconds.
    """
    endpoint, failures = hub_endpoint(), []

    def knock() -> None:
        request = urllib.request.Request(endpoint, method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=timeout).close()
        except urllib.error.HTTPError:
            pass  # it answered
        except (OSError, ValueError) as error:
            failures.append(getattr(error, "reason", error))

    # In a thread, because looking up a name has a timeout of its own, and a long one.
    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive() or failures:
        reason = failures[0] if failures else f"no answer within {timeout:g} s"
        raise ModelError(
            f"{endpoint} cannot be reached: {reason}.",
            "Check the network, or set HF_ENDPOINT to a mirror.",
        )


def describe(file: HubFile, token: str | None = None) -> Remote:
    """Size and hash of a file, from the server.

    Raises:
        ModelError: it is not there, or not for everyone.
    """
    if file.url:
        return _describe_url(file)
    url = hf_hub_url(file.repo, file.path, revision=file.revision, endpoint=hub_endpoint())
    try:
        found = get_hf_file_metadata(url, token=token, timeout=10, endpoint=hub_endpoint())
    except (HfHubHTTPError, TransportError, OSError) as error:
        raise _as_model_error(error, file) from error
    if found.size is None or found.etag is None or found.commit_hash is None:
        raise ModelError(
            f"{hub_endpoint()} does not say what {file.path} is.", "Is HF_ENDPOINT a model hub?"
        )
    return Remote(found.size, found.etag, url, found.commit_hash)


def _describe_url(file: HubFile) -> Remote:
    """The same of a file on a plain web page. No token is shown to it."""
    assert file.url is not None
    request = urllib.request.Request(file.url, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            size, url = int(answer.headers["Content-Length"]), answer.url
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"{file.url} cannot be reached: {getattr(error, 'reason', error)}.",
            "Check the network, or try again later.",
        ) from error
    return Remote(size, hashlib.sha256(file.url.encode()).hexdigest(), url, file.revision)


def find_cached(file: HubFile) -> Path | None:
    """A file that is here already: in foleycli's folder, or in the shared hub cache."""
    ours = download_path(file)
    if ours.is_file():
        return ours
    if file.url:
        return None
    shared = try_to_load_from_cache(file.repo, file.path, revision=file.revision)
    return Path(shared) if isinstance(shared, str) else None


def fetch(
    file: HubFile,
    remote: Remote | None = None,
    token: str | None = None,
    offline: bool = False,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Have a file here, whole and with the right hash.

    The first fetch of a file whose hash nobody pinned locks it; a later one with another hash is
    refused. A fetch that broke off goes on where it stopped, in this run or the next.

    Raises:
        ModelError: not to be had, or not what it was; the file is named.
    """
    path = find_cached(file)
    if path is None:
        if is_offline(offline):
            raise ModelError(f"{file.path} of {file.repo} is not here.", OFFLINE_REMEDY)
        path = _download(file, remote or describe(file, token), token, progress)
    check_hash(file, path)
    return path


def download_path(file: HubFile) -> Path:
    """Where foleycli keeps a fetched file: removed when its bundle is made."""
    repo = file.repo.replace("/", "--")
    return cache_folder("downloads") / repo / file.revision / file.path


def _download(file: HubFile, remote: Remote, token: str | None, progress: Progress) -> Path:
    path = download_path(file)
    part = path.with_name(f"{path.name}.{remote.etag[:16]}.part")
    make_folder(part.parent)
    have = part.stat().st_size if part.exists() else 0
    if have > remote.size:
        part.unlink()
        have = 0
    check_space(part.parent, remote.size - have)
    try:
        with part.open("ab") as stream:
            http_get(
                remote.url,
                stream,
                resume_size=have,
                headers=_headers(file, token),
                expected_size=remote.size,
                displayed_filename=file.name,
                tqdm_class=_listener(progress, remote.size),
            )
    except (HfHubHTTPError, TransportError, OSError) as error:
        raise _as_model_error(error, file) from error
    part.replace(path)
    return path


def _headers(file: HubFile, token: str | None) -> dict[str, str]:
    return {} if file.url else build_hf_headers(token=token, library_name="foleycli")


def check_hash(file: HubFile, path: Path) -> None:
    """Compare with the pinned or locked hash; lock it when there is none.

    Raises:
        ModelError: it differs. What foleycli itself fetched is removed.
    """
    if file.md5 and not read_lock().get(file.key):
        _check_md5(file, path)
    found, lock = sha256_of(path), read_lock()
    pinned = file.sha256 or ""
    expected = pinned if len(pinned) == len(found) else lock.get(file.key, pinned)
    if not found.startswith(expected):
        if path == download_path(file):
            path.unlink()
        changed = lock.get(file.key) == expected
        why = "it changed since first pulled" if changed else "it is not the published file"
        raise ModelError(
            f"{file.path} of {file.repo} has sha256 {found}, not {expected}: {why}.",
            "Try again; if it stays so, do not use it before you know why.",
        )
    if expected != found:
        write_lock(lock | {file.key: found})


def _check_md5(file: HubFile, path: Path) -> None:
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "md5").hexdigest()
    if found != file.md5:
        if path == download_path(file):
            path.unlink()
        raise ModelError(
            f"{file.path} of {file.repo} has md5 {found}, not {file.md5}: "
            "it is not the published file.",
            "Try again; if it stays so, do not use it before you know why.",
        )


def lock_path() -> Path:
    """The file of hashes that were first seen here."""
    return cache_folder("models") / "hashes.lock.json"


def read_lock() -> dict[str, str]:
    """``repo@revision/path`` -> sha256."""
    path = lock_path()
    try:
        lock = parse_json(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", "Delete it.") from error
    return lock if isinstance(lock, dict) else {}


def write_lock(hashes: dict[str, str]) -> None:
    """Replace the lock file."""
    make_folder(lock_path().parent)
    with atomic_output(lock_path(), overwrite=True) as beside:
        beside.write_text(json.dumps(hashes, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def check_space(folder: Path, needed: int) -> None:
    """Look at the disk before a download rather than after most of it.

    Raises:
        FoleyError: fewer than ``needed`` bytes are free.
    """
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise FoleyError(
            f"{needed / 1e9:.1f} GB are needed in {folder}, {free / 1e9:.1f} GB are free.",
            "Free some space, or set FOLEY_CACHE to a folder on another disk.",
        )


def _listener(progress: Progress, total: int) -> type[tqdm]:
    """A progress bar that draws nothing and tells ``progress`` instead."""

    class Listener(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            self.done = int(options.get("initial") or 0)
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            self.done += int(n or 0)
            progress(self.done, total)

    return Listener


def _as_model_error(error: Exception, file: HubFile) -> ModelError:
    """The server's refusal in words, with what to do."""
    if isinstance(error, EntryNotFoundError):
        return ModelError(
            f"{file.repo} has no {file.path} at revision {file.revision}.",
            "Was it renamed? See `foley models info`, and the repository's page.",
        )
    if isinstance(error, RevisionNotFoundError):
        return ModelError(f"{file.repo} has no revision {file.revision}.", "Give another one.")
    if isinstance(error, (RepositoryNotFoundError, GatedRepoError)):
        return ModelError(
            f"{file.repo} is not there, or not for everyone.",
            "Check the name; for a private one set HF_TOKEN to a token that may read it.",
        )
    if isinstance(error, OSError) and "Consistency check" in str(error):
        return ModelError(f"{file.path} came truncated.", "Run the command again; it goes on.")
    reason = str(error).strip().partition("\n")[0]
    return ModelError(
        f"{file.path} of {file.repo} was not fetched whole: {reason}.",
        "Run the command again; it goes on where it stopped.",
    )
