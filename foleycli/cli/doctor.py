"""``foley doctor``: what is there, and what to install."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from foleycli.cli import options
from foleycli.cli.say import say, visible

COLOURS = {"ok": "green", "warn": "yellow", "missing": "red"}


def doctor(
    as_json: options.Json = False,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="Measure what the models that ship cost on this machine, for --budget of foley "
            "gen; a minute, best while nothing else runs.",
        ),
    ] = False,
) -> None:
    """Say what this machine has and what to install. Exit code 0: the main job can run."""
    if measure:
        _measure(as_json)
        return
    from foleycli.doctor import can_run, examine

    checks = []
    for check in examine():
        checks.append(check)
        if not as_json:
            state = typer.style(f"{check.state:<8}", fg=COLOURS[check.state])
            typer.echo(f"{state}{check.name:<10} {visible(check.found)}")
            if check.remedy:
                say(f"{'':<19}try: {check.remedy}")
    ready = can_run(checks)
    if as_json:
        typer.echo(json.dumps({"ready": ready, "checks": [asdict(check) for check in checks]}))
    else:
        typer.echo("Ready." if ready else "Not ready: mend what is missing.")
    if not ready:
        raise typer.Exit(1)


def _measure(as_json: bool) -> None:
    from foleycli.doctor import measure_costs
    from foleycli.sources.budget import keep_costs

    costs = measure_costs()
    path = keep_costs(costs)
    if as_json:
        typer.echo(json.dumps({name: asdict(cost) for name, cost in costs.items()}))
        return
    for name, cost in costs.items():
        line = f"{name:<9}start {cost.start:.1f} s, looking {cost.look:.2f} s a second of film"
        if cost.windows:
            windows = ", ".join(f"{speed} {taken:.2f}" for speed, taken in cost.windows.items())
            line += f", seconds a window of 8 s: {windows}"
        else:
            line += f", a take {cost.sound:.2f} s a second"
        say(line)
    say(f"Kept in {path}.")
