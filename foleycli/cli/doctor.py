"""``foley doctor``: what is there, and what to install."""

import json
from dataclasses import asdict

import typer

from foleycli.cli import options

COLOURS = {"ok": "green", "warn": "yellow", "missing": "red"}


def doctor(as_json: options.Json = False) -> None:
    """Say what this machine has and what to install. Exit code 0: the main job can run."""
    from foleycli.doctor import can_run, examine

    checks = []
    for check in examine():
        checks.append(check)
        if not as_json:
            state = typer.style(f"{check.state:<8}", fg=COLOURS[check.state])
            typer.echo(f"{state}{check.name:<10} {check.found}")
            if check.remedy:
                typer.echo(f"{'':<19}try: {check.remedy}")
    ready = can_run(checks)
    if as_json:
        typer.echo(json.dumps({"ready": ready, "checks": [asdict(check) for check in checks]}))
    else:
        typer.echo("Ready." if ready else "Not ready: mend what is missing.")
    if not ready:
        raise typer.Exit(1)
