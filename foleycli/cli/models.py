"""``foley models``: what can sound, under whose licence, and how it comes here."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foleycli.cli import options
from foleycli.cli.progress import listen_for_warnings
from foleycli.cli.say import say
from foleycli.config import BUNDLE_DTYPES
from foleycli.errors import UsageError

if TYPE_CHECKING:
    from foleycli.models.bundle import Bundle
    from foleycli.models.registry import Model

app = typer.Typer(help="The known models: what they are, whether they are installed, get more.")
Name = Annotated[
    str, typer.Argument(help="A name from `foley models list`, or hub:owner/name[@revision].")
]
NameOrFolder = Annotated[str, typer.Argument(help="A name, hub:owner/name, or a bundle's folder.")]
Offline = Annotated[
    bool, typer.Option("--offline", help="Never use the network.", envvar="FOLEY_OFFLINE")
]
Dtype = Annotated[
    str, typer.Option(help="bf16, or f32: twice the disk and memory, for training from it.")
]


@app.command("list")
def list_models(as_json: options.Json = False) -> None:
    """List the known models."""
    from foleycli.models.registry import MODELS

    if as_json:
        typer.echo(json.dumps([_facts(model) for model in MODELS]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "installed", "size", "weights", "what it is", box=None, pad_edge=False)
    for model in MODELS:
        installed = "yes" if model.installed else "no"
        table.add_row(
            model.name, installed, _size(model.size), model.weights_licence, model.summary
        )
    Console().print(table)


@app.command()
def info(
    name: Name,
    as_json: options.Json = False,
) -> None:
    """Show a model's card, licence and measured figures."""
    from foleycli.models.registry import find_model

    model = find_model(name)
    if as_json:
        typer.echo(json.dumps(_facts(model) | {"card": model.card}))
        return
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.table import Table

    console = Console()
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_column()
    facts.add_column(overflow="fold")
    for label, value in _facts(model).items():
        if label not in ("files", "scores") and value is not None:
            facts.add_row(label, _size(value) if label == "size" else str(value))
    console.print(facts)
    for label, score in model.scores.items():
        console.print(f"{label}: {score:g}", highlight=False)
    console.print(Markdown(model.card))


@app.command()
def pull(
    name: Name,
    dtype: Dtype = "bf16",
    again: Annotated[bool, typer.Option("--again", help="Even if it is here already.")] = False,
    keep_downloads: Annotated[
        bool, typer.Option("--keep-downloads", help="Keep the checkpoints it is made of.")
    ] = False,
    offline: Offline = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Fetch a model from the hub, check it, and make it ready.

    HF_ENDPOINT names another hub, HF_TOKEN opens a private repository, FOLEY_CACHE moves the
    folder, HF_HUB_OFFLINE forbids the network.
    """
    from foleycli.models.registry import find_model
    from foleycli.sources.pull import pull as pull_model

    listen_for_warnings(quiet=quiet, verbose=False)
    _check_dtype(dtype)
    model = find_model(name)
    if not quiet and not model.installed:
        _say_licence(model)
    with _show_bytes(quiet) as progress:
        bundle = pull_model(
            model,
            dtype,
            offline=offline,
            overwrite=again,
            keep_downloads=keep_downloads,
            progress=progress,
        )
    _say_bundle(bundle, as_json)


@app.command()
def verify(name: NameOrFolder, as_json: options.Json = False) -> None:
    """Hash a model's files again and compare."""
    bundle = _open(name)
    bundle.verify()
    _say_bundle(bundle, as_json)


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Checkpoints, or a bundle.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.")],
    dtype: Dtype = "bf16",
    public: Annotated[
        bool, typer.Option("--public", help="From a bundle back to the public tensor names.")
    ] = False,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Make a bundle of public checkpoints that are on disk, or the other way round."""
    from foleycli.models.bundle import Bundle
    from foleycli.models.registry import find_model
    from foleycli.sources.public import convert_checkpoints, find_checkpoints, write_public
    from foleycli.sources.selva_public import convert_selva, find_files

    listen_for_warnings(quiet=False, verbose=False)
    _check_dtype(dtype)
    if public:
        for path in write_public(Bundle.open(source), output, overwrite=overwrite):
            say(path)
        return
    if "encoder" in (files := find_files(source)):
        card = find_model("selva").card
        _say_bundle(convert_selva(files, output, card, dtype, overwrite=overwrite), as_json)
        return
    card = find_model("diff-foley").card
    files = find_checkpoints(source)
    _say_bundle(convert_checkpoints(files, output, card, dtype, overwrite=overwrite), as_json)


@app.command()
def remove(name: Name) -> None:
    """Delete a pulled model and what is left of its downloads."""
    from foleycli.models.pull import remove as remove_model
    from foleycli.models.registry import find_model

    freed = remove_model(find_model(name))
    say(f"{name}: {_size(freed)} freed")


@app.command()
def push(
    bundle: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A bundle.")],
    repo: Annotated[str, typer.Argument(help="owner/name on the hub; made if it is not there.")],
    private: Annotated[bool, typer.Option("--private", help="For you alone, if made.")] = False,
) -> None:
    """Publish a bundle with its card on the hub. HF_TOKEN must be allowed to write."""
    from foleycli.models.pull import push as push_bundle

    address, _ = push_bundle(bundle, repo, private=private)
    say(address)


def _open(name: str) -> "Bundle":
    from foleycli.models.bundle import Bundle
    from foleycli.models.registry import find_model, require_installed

    if Path(name).is_dir():
        return Bundle.open(Path(name))
    model = require_installed(find_model(name))
    if model.kind == "recordings":
        raise UsageError(f"{name} holds recordings, no weights.", "Name a model with weights.")
    return Bundle.open(model.folder)


def _check_dtype(dtype: str) -> None:
    if dtype not in BUNDLE_DTYPES:
        raise UsageError(f"--dtype {dtype} is not known.", f"Give {' or '.join(BUNDLE_DTYPES)}.")


def _say_licence(model: "Model") -> None:
    say(f"{model.name}, {model.source}", err=True)
    say(f"  weights: {model.weights_licence}; code: {model.code_licence}", err=True)
    if model.size is not None:
        say(f"  {_size(model.size)} to fetch", err=True)
    say(f"  read its card first: foley models info {model.name}", err=True)


def _say_bundle(bundle: "Bundle", as_json: bool) -> None:
    from foleycli.models.pull import describe_model

    facts = describe_model(bundle)
    if as_json:
        print(json.dumps(facts))
    else:
        say(f"{facts['folder']}  {_size(facts['size'])}, sha256 {facts['sha256'][:12]}…, whole")


@contextmanager
def _show_bytes(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar a file on a terminal; nothing in a pipe or with --quiet."""
    if quiet or not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, Any] = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        yield update


def _facts(model: "Model") -> dict[str, Any]:
    """What `list` and `info` say of a model, ready for JSON."""
    return {
        "name": model.name,
        "summary": model.summary,
        "kind": model.kind,
        "installed": model.installed,
        "size": model.size,
        "source": model.source,
        "folder": str(model.folder),
        "code_licence": model.code_licence,
        "weights_licence": model.weights_licence,
        "files": [
            {"name": file.name, "size": file.size, "sha256": file.sha256}
            for file in model.downloads or model.files
        ],
        "scores": model.scores,
    }


def _size(size: int | None) -> str:
    if size is None:
        return "?"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
