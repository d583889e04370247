"""Models to and from the hub: pull makes a bundle here, push publishes one."""

import secrets
import shutil
from collections.abc import Callable
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


def pull(
    model: Model,
    dtype: str = "bf16",
    token: str | None = None,
    *,
    offline: bool = False,
    overwrite: bool = False,
    keep_downloads: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> Bundle:
    """Have a model here as a bundle: fetched, checked, and converted where it must be.

    A model that is here already is opened and nothing is asked of the network.

    Args:
        dtype: of the stored matrices when public checkpoints are converted, ``bf16`` or ``f32``.
        token: for private repositories; by default ``$HF_TOKEN``.
        overwrite: fetch and make it again.
        keep_downloads: keep the fetched checkpoints, of which the bundle is made.

    Raises:
        FoleyError: what failed, named, before anything large is fetched where that is possible.
    """
    if model.shipped:
        raise UsageError(f"{model.name} ships in the package.", "There is nothing to pull.")
    if model.installed and not overwrite:
        return Bundle.open(model.folder)
    wanted = [_hub_file(model, i) for i in range(len(model.downloads))]
    if model.name.startswith(HUB):
        wanted = _listed(model, wanted[0], token, offline)
    remotes = _look(model, wanted, token, offline)
    if remotes:  # a branch may move: fetch all files of the commit it stands for now
        commits = {file.repo: remote.commit for file, remote in remotes.items()}
        wanted = [_at(file, commits.get(file.repo, file.revision)) for file in wanted]
        remotes = {_at(file, remote.commit): remote for file, remote in remotes.items()}
    paths = [
        fetch(file, remotes.get(file), token, offline, _named(progress, file)) for file in wanted
    ]
    made = _make(model, paths, dtype, overwrite, progress)
    if not keep_downloads:
        for file in wanted:
            download_path(file).unlink(missing_ok=True)
    return made


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


def _make(
    model: Model, paths: list[Path], dtype: str, overwrite: bool, progress: Progress
) -> Bundle:
    if model.name.startswith(HUB):
        return _copy(model.folder, paths, overwrite)
    source = {"hub": str(model.hub), "revision": str(model.revision)}
    pairs = zip(model.downloads, paths, strict=False)
    if parts := {file.part: path for file, path in pairs if file.part}:
        from foleycli.sources.selva_public import convert_selva

        progress("converting", 0, 1)
        made = convert_selva(parts, model.folder, model.card, dtype, source, overwrite=overwrite)
        progress("converting", 1, 1)
        return made
    from foleycli.sources.public import PREFIXES, convert_checkpoints

    files = {
        part: path
        for path in paths
        for part, prefix in PREFIXES.items()
        if path.name.startswith(prefix)
    }
    if not files:  # a listener, of one checkpoint
        from foleycli.listeners.pulled import make_listener

        return make_listener(model, paths, overwrite=overwrite)
    progress("converting", 0, 1)
    made = convert_checkpoints(files, model.folder, model.card, dtype, source, overwrite=overwrite)
    progress("converting", 1, 1)
    return made


def _copy(folder: Path, paths: list[Path], overwrite: bool) -> Bundle:
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


def describe_model(bundle: Bundle) -> dict[str, Any]:
    """What is to be said of a bundle after it was made or checked."""
    return {
        "folder": str(bundle.folder),
        "family": bundle.family,
        "parts": sorted(bundle.config.get("parts", {})),
        "sha256": bundle.fingerprint,
        "size": sum((bundle.folder / name).stat().st_size for name in [*bundle.sums, bundles.SUMS]),
    }
