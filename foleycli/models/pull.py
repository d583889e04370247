"""Models to and from the hub: what they are made of comes here, push publishes a bundle."""

import secrets
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from foleycli.errors import FoleyError, ModelError, UsageError
from foleycli.models import bundle as bundles
from foleycli.models.bundle import Bundle
from foleycli.models.hub import (
    OFFLINE_REMEDY,
    HubFile,
    Remote,
    check_reachable,
    check_space,
    describe,
    download_path,
    fetch,
    find_cached,
    hub_endpoint,
    is_offline,
)
from foleycli.models.registry import HUB, Model

# (what is being done, bytes so far, bytes in all)
Progress = Callable[[str, int, int], None]


def fetch_files(
    model: Model,
    token: str | None = None,
    *,
    offline: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> dict[HubFile, Path]:
    """Everything that a model is made of, fetched and checked.

    Raises:
        FoleyError: what failed, named, before anything large is fetched where that is possible.
    """
    wanted = [_hub_file(model, i) for i in range(len(model.downloads))]
    if model.name.startswith(HUB):
        wanted = _listed(model, wanted[0], token, offline)
    remotes = _look(model, wanted, token, offline)
    if remotes:  # a branch may move: fetch all files of the commit it stands for now
        commits = {file.repo: remote.commit for file, remote in remotes.items()}
        wanted = [_at(file, commits.get(file.repo, file.revision)) for file in wanted]
        remotes = {_at(file, remote.commit): remote for file, remote in remotes.items()}
    return {
        file: fetch(file, remotes.get(file), token, offline, _named(progress, file))
        for file in wanted
    }


def copy_bundle(folder: Path, paths: Iterable[Path], overwrite: bool) -> Bundle:
    """Set a fetched bundle in its place, whole or not at all."""
    beside = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        beside.mkdir(parents=True)
        for path in paths:
            shutil.copyfile(path, beside / path.name)
        Bundle.open(beside).verify()
        if overwrite and folder.exists():
            shutil.rmtree(folder)
        beside.rename(folder)
    except OSError as error:
        raise FoleyError(f"Could not write {folder}: {error}.", "Free some space.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Bundle.open(folder)


def push(
    folder: Path, repo: str, token: str | None = None, *, private: bool = False
) -> tuple[str, Bundle]:
    """Publish a bundle with its card.

    Args:
        folder: the bundle.
        repo: ``owner/name``; made when it is not there.

    Returns:
        the address of the commit, and the bundle that was published.

    Raises:
        ModelError: no bundle, damaged, without a card, or the hub refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.errors import HTTPError as TransportError  # type: ignore[attr-defined]

    bundle = _sealed(folder)
    bundle.verify()
    if bundles.CARD not in bundle.sums:
        raise ModelError(f"{folder} has no model card.", f"Write {bundles.CARD}: data, licences.")
    check_reachable()
    api = HfApi(endpoint=hub_endpoint(), token=token, library_name="foleycli")
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=[*bundle.sums, bundles.SUMS],
            commit_message=f"{bundle.family}, weights {bundle.fingerprint[:12]}",
        )
    except (HfHubHTTPError, TransportError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"{repo} could not be written: {reason}.", "Set HF_TOKEN to a token that may write."
        ) from error
    return str(commit.commit_url), bundle


def _sealed(folder: Path) -> Bundle:
    """A bundle; one that was never published gets its list of hashes first."""
    try:
        if not (folder / bundles.SUMS).is_file():
            bundles.seal(folder)
    except OSError as error:
        raise FoleyError(
            f"{folder / bundles.SUMS} cannot be written: {error}.", "Copy the bundle elsewhere."
        ) from error
    return Bundle.open(folder)


def remove(model: Model, *, downloads: bool = True) -> int:
    """Delete a pulled model, and what is left of its downloads; returns the bytes freed.

    Raises:
        UsageError: it ships in the package.
    """
    if model.shipped:
        raise UsageError(f"{model.name} ships in the package.", "It cannot be removed alone.")
    folders = [model.folder]
    if downloads:
        files = [_hub_file(model, i) for i in range(len(model.downloads))]
        folders += {download_path(file).parents[1] for file in files}
    freed = 0
    for folder in folders:
        if folder.is_dir():
            freed += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            shutil.rmtree(folder)
    return freed


def _hub_file(model: Model, index: int) -> HubFile:
    file = model.downloads[index]
    return HubFile(
        repo=file.hub or model.hub or model.name,
        path=file.name,
        revision=file.revision or model.revision or "main",
        sha256=file.sha256,
        url=file.url,
        md5=file.md5,
    )


def _listed(model: Model, sums: HubFile, token: str | None, offline: bool) -> list[HubFile]:
    """All files of a published bundle, with their hashes: its list of them is fetched first."""
    remotes = _look(model, [sums], token, offline)
    if remotes:
        sums = _at(sums, remotes[sums].commit)
    path = fetch(sums, token=token, offline=offline)
    try:
        named = bundles.read_sums(path)
    except ValueError as error:
        raise ModelError(f"{model.name} is no bundle: {error}.", "Ask who published it.") from error
    return [sums, *(replace(sums, path=name, sha256=found) for name, found in named.items())]


def _at(file: HubFile, commit: str) -> HubFile:
    return replace(file, revision=commit)


def _look(
    model: Model, wanted: list[HubFile], token: str | None, offline: bool
) -> dict[HubFile, Remote]:
    """What the server says of the files that are not here yet; space for all is checked."""
    absent = [file for file in wanted if find_cached(file) is None]
    if not absent:
        return {}
    if is_offline(offline):
        names = ", ".join(file.name for file in absent)
        raise ModelError(f"{model.name} is not here (no {names}).", OFFLINE_REMEDY)
    if model.hub:
        check_reachable()
    remotes = {file: describe(file, token) for file in absent}
    to_fetch = sum(remote.size for remote in remotes.values())
    check_space(model.folder, 2 * to_fetch)  # the downloads, and the bundle made of them
    return remotes


def _named(progress: Progress, file: HubFile) -> Callable[[int, int], None]:
    return lambda done, total: progress(file.name, done, total)


def describe_model(bundle: Bundle) -> dict[str, Any]:
    """What is to be said of a bundle after it was made or checked."""
    return {
        "folder": str(bundle.folder),
        "family": bundle.family,
        "parts": sorted(bundle.config.get("parts", {})),
        "sha256": bundle.fingerprint,
        "size": sum((bundle.folder / name).stat().st_size for name in [*bundle.sums, bundles.SUMS]),
    }
