"""``foley models``: what can sound, and under whose licence."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foleycli.cli import options

if TYPE_CHECKING:
    from foleycli.models.registry import Model

app = typer.Typer(help="The known models: what they are, and whether they are installed.")


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
    name: Annotated[str, typer.Argument(help="A name from `foley models list`.")],
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
        "files": [{"name": f.name, "size": f.size, "sha256": f.sha256} for f in model.files],
        "scores": model.scores,
    }


def _size(size: int | None) -> str:
    return "?" if size is None else f"{size / 1e6:.1f} MB"
