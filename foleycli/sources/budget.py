"""What a clip may cost: a model, its speed and the takes that fit a budget, by measured costs.

`foley doctor --measure` measures a machine once and keeps what it found in the cache.
"""

import json
import re
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from foleycli.config import OWN_SPEED, SPEEDS, WINDOW, GenerateConfig
from foleycli.documents import parse_json
from foleycli.errors import FoleyError, UsageError
from foleycli.folders import cache_folder, make_folder
from foleycli.models.registry import MODELS
from foleycli.output import atomic_output
from foleycli.sources.identity import AUTO_SCORE, few_steps, resolve
from foleycli.sources.speed import find_speed

ROOM, FILE = "costs", "costs.json"
MOST_TAKES = 4  # that a budget asks for by itself
UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds by the clock that a source takes on this machine."""

    start: float  # until a process has loaded it, and for what does not grow with the clip
    look: float  # for a second of film
    sound: float  # for a second of one take, of a source without steps
    windows: dict[str, float] = field(default_factory=dict)  # speed -> a window, a take

    def of(self, seconds: float, speed: str, takes: int) -> float:
        """What a clip of some seconds takes."""
        if self.windows:
            fresh = WINDOW.duration - WINDOW.overlap
            windows = max(1, -(-(seconds - WINDOW.overlap) // fresh))
            take = windows * self.windows[speed]
        else:
            take = seconds * self.sound
        return self.start + seconds * self.look + takes * take


@dataclass(frozen=True, slots=True)
class Choice:
    """What a budget buys."""

    config: GenerateConfig
    seconds: float  # that it is expected to take
    fits: bool

    def __str__(self) -> str:
        chosen = self.config
        speed = f" {chosen.speed}, {chosen.steps} steps," if chosen.steps else ","
        takes = f"{chosen.takes} takes" if chosen.takes > 1 else "one take"
        more = "" if self.fits else ": more than the budget, and the least there is"
        return f"{chosen.model}{speed} {takes}, about {self.seconds:.1f} s{more}"


def parse_budget(text: str) -> float:
    """Seconds of ``10s``, ``1.5m``, ``90`` or ``1h``.

    Raises:
        UsageError: it is none of these, or nothing.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)\s*(s|m|min|h|)", text.strip().lower())
    seconds = float(found[1]) * UNITS[found[2]] if found else 0.0
    if not seconds:
        raise UsageError(f"A budget of {text!r} is not known.", "Give a time such as 10s or 2m.")
    return seconds


def fit_budget(
    config: GenerateConfig, duration: Fraction | None, costs: dict[str, Cost] | None = None
) -> Choice:
    """The best model at its slowest speed with the most takes that stay within ``config.budget``.

    A model, a speed, steps or takes that are asked for are kept. Of several models the one with
    the better figure on real clips comes first, as for ``--model auto``. Where nothing fits, what
    takes least.

    Args:
        duration: seconds of film that are to be sounded.
        costs: by model; what this machine's file says when None.

    Raises:
        UsageError: this machine, or the model that is asked for, was not measured; the clip's
            length is not known.
    """
    budget = parse_budget(config.budget or "")
    if duration is None:
        raise UsageError("The clip's length is not known.", "Leave out --budget.")
    costs = read_costs() if costs is None else costs
    seconds, choices = float(duration), []
    for model in _models(config, costs):
        for speed in _speeds(config, costs[model]):
            for takes in range(MOST_TAKES, 0, -1) if config.takes == 1 else [config.takes]:
                cost = costs[model]
                steps, share = _steps(replace(config, model=model, speed=speed), bool(cost.windows))
                scaled = {name: taken * share for name, taken in cost.windows.items()}
                takes_about = replace(cost, windows=scaled).of(seconds, speed, takes)
                asked = {"model": model, "speed": speed, "steps": steps, "takes": takes}
                if not steps:
                    asked["speed"] = config.speed
                chosen = replace(config, budget=None, **asked)
                choices.append(Choice(chosen, takes_about, takes_about <= budget))
    return next((one for one in choices if one.fits), min(choices, key=lambda one: one.seconds))


def _steps(config: GenerateConfig, has_steps: bool) -> tuple[int | None, float]:
    """Those of a model at a speed, and what share of its measured ones they are."""
    if not has_steps:
        return None, 1.0
    few = few_steps(config)
    steps, own = (
        find_speed(one, config.speed, few).steps for one in (config, replace(config, steps=None))
    )
    return steps, steps / own


def _models(config: GenerateConfig, costs: dict[str, Cost]) -> list[str]:
    """Those that may be chosen, the best first."""
    name = resolve(config)
    if name not in costs:
        raise UsageError(
            f"What {name} costs on this machine is not known.",
            f"Run foley doctor --measure, or name one of {', '.join(sorted(costs))}.",
        )
    if config.model != "auto" or config.library:
        return [name]
    scores = {model.name: model.scores.get(AUTO_SCORE, 0.0) for model in MODELS}
    return sorted(costs, key=lambda model: (model != name, scores.get(model, 0.0)))


def _speeds(config: GenerateConfig, cost: Cost) -> list[str]:
    """Those that may be chosen, the slowest first."""
    if not cost.windows or config.speed != OWN_SPEED:
        return [next(iter(SPEEDS)) if config.speed == OWN_SPEED else config.speed]
    return sorted(cost.windows, key=lambda name: -cost.windows[name])


def costs_path() -> Path:
    """Where this machine's costs are kept."""
    return cache_folder(ROOM) / FILE


def keep_costs(costs: dict[str, Cost]) -> Path:
    """Write them down for `fit_budget`."""
    make_folder(costs_path().parent)
    with atomic_output(costs_path(), overwrite=True) as beside:
        stated = {name: asdict(cost) for name, cost in costs.items()}
        beside.write_text(json.dumps(stated, indent=1) + "\n", encoding="utf-8")
    return costs_path()


def read_costs() -> dict[str, Cost]:
    """What `keep_costs` wrote.

    Raises:
        UsageError: nothing was measured here, or what is there cannot be read.
    """
    remedy = "Run foley doctor --measure once; it takes a minute."
    try:
        stated = parse_json(costs_path().read_text(encoding="utf-8"))
        costs = {str(name): Cost(**cost) for name, cost in stated.items()}
        for cost in costs.values():
            cost.of(1.0, "fast", 1)
        if not costs:
            raise ValueError("nothing")
    except FileNotFoundError as error:
        raise UsageError("What this machine costs is not known.", remedy) from error
    except (OSError, ValueError, TypeError, AttributeError, KeyError, FoleyError) as error:
        raise UsageError(f"{costs_path()} cannot be read ({error}).", remedy) from error
    return costs
