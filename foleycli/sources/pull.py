"""A model of the hub becomes a bundle here, by what it is: listeners, sources of sound, bundles."""

from pathlib import Path

from foleycli.errors import UsageError
from foleycli.models.bundle import Bundle
from foleycli.models.hub import download_path
from foleycli.models.pull import Progress, copy_bundle, fetch_files
from foleycli.models.registry import HUB, Model


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
    files = fetch_files(model, token, offline=offline, progress=progress)
    made = _make(model, [*files.values()], dtype, overwrite, progress)
    if not keep_downloads:
        for file in files:
            download_path(file).unlink(missing_ok=True)
    return made


def _make(
    model: Model, paths: list[Path], dtype: str, overwrite: bool, progress: Progress
) -> Bundle:
    if model.name.startswith(HUB):
        return copy_bundle(model.folder, paths, overwrite)
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
