"""What a run compares, and where its folder keeps it."""

import json
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from foleycli.config import CINEMATIC, EVALUATE, CinematicConfig, GenerateConfig
from foleycli.errors import UsageError
from foleycli.evaluate.clipset import Example
from foleycli.evaluate.contestants import FULL, Contestant, find_sounds
from foleycli.output import atomic_output
from foleycli.version import VERSION

PLAN = "run.json"
ALL, DEFAULT = "all", "default"  # stand for many measures where measures are named
# What is measured when nobody says: what is heard, when, and what papers report. AV-Align is not
# in it: it takes a third of the time and tells a clip's own sound from no other. ImageBind and
# DeSync are not: they take 37 and 136 s of a core a film of 10 s, whoever pulled them.
CORE = (
    "kl", "cosy", "env", "onf1c", "sync_z", "onset_f1_100ms",
    "fad_yamnet", "fd_yamnet", "kid_yamnet", "is_yamnet", "align_acc", "align_acc (own classifier)",
    "kl_softmax_yamnet", "speech_hallucination", "music_hallucination",
    "fad_vggish", "fd_panns", "kid_panns", "is_panns", "kl_softmax_panns",
    "fd_passt", "is_passt", "kl_softmax_passt", "clap",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is compared on what."""

    folder: Path  # of the run
    examples: tuple[Example, ...]
    contestants: tuple[Contestant, ...]
    variants: tuple[str, ...] = (FULL,)
    takes: int = EVALUATE.takes
    measures: tuple[str, ...] = ()  # names
    cinematic: CinematicConfig = CINEMATIC

    def sounds(self, contestant: Contestant, variant: str, example: Example) -> list[Path]:
        """Where the takes of a clip are, or will be."""
        if contestant.folder:
            return find_sounds(contestant.folder, example, variant, self.takes)
        place = self.folder / "sounds" / contestant.name / variant
        return [place / f"{example.id}_s{take:02d}.wav" for take in range(self.takes)]

    def contestant(self, name: str) -> Contestant:
        """The one of that name.

        Raises:
            UsageError: there is none; the remedy lists those there are.
        """
        for contestant in self.contestants:
            if contestant.name == name:
                return contestant
        known = ", ".join(contestant.name for contestant in self.contestants)
        raise UsageError(f"The run has no model {name!r}.", f"It has: {known}.")

    def check_variant(self, variant: str) -> None:
        """Raises: UsageError: the run has no such variant."""
        if variant not in self.variants:
            raise UsageError(
                f"The run has no {variant} clips.", f"It has {', '.join(self.variants)}."
            )

    def example(self, id: str) -> Example:
        """The clip of that id.

        Raises:
            UsageError: there is none.
        """
        for example in self.examples:
            if example.id == id:
                return example
        raise UsageError(f"The run has no clip {id!r}.", f"Such as {self.examples[0].id}.")

    def scores(self, example: Example) -> Path:
        """The file of a clip's numbers."""
        return self.folder / "clips" / f"{example.id}.json"


def read_plan(folder: Path) -> Plan:
    """The plan of a run.

    Raises:
        UsageError: the folder holds none.
    """
    try:
        told = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        examples = [Example(**fields | {"clip": Path(fields["clip"])}) for fields in told["set"]]
        contestants = [_contestant(fields) for fields in told["models"]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"{folder} holds no run that can be read.", "Make one with `foley eval run SET`."
        ) from error
    return Plan(
        folder=folder,
        examples=tuple(examples),
        contestants=tuple(contestants),
        variants=tuple(told["variants"]),
        takes=told["takes"],
        measures=tuple(told["measures"]),
        cinematic=CinematicConfig(**told["cinematic"]),
    )


@lru_cache(maxsize=1)
def kept_plan(folder: Path) -> Plan:
    """The plan of the run a worker is at, read once."""
    return read_plan(folder)


def join_plan(plan: Plan) -> Plan:
    """The plan with what its folder has already been asked for, written down.

    Raises:
        UsageError: the folder holds a run on another set.
    """
    if (plan.folder / PLAN).is_file():
        earlier = read_plan(plan.folder)
        if (earlier.examples, earlier.cinematic) != (plan.examples, plan.cinematic):
            raise UsageError(
                f"{plan.folder} holds a run on another set.", "Give another folder with --out."
            )
        named = {contestant.name: contestant for contestant in earlier.contestants}
        named |= {contestant.name: contestant for contestant in plan.contestants}
        plan = replace(
            plan,
            contestants=tuple(named.values()),
            variants=tuple(dict.fromkeys((*earlier.variants, *plan.variants))),
            measures=tuple(dict.fromkeys((*earlier.measures, *plan.measures))),
        )
    told = {
        "foleycli": VERSION,
        "set": [asdict(example) for example in plan.examples],
        "models": [asdict(contestant) for contestant in plan.contestants],
        "variants": plan.variants,
        "takes": plan.takes,
        "measures": plan.measures,
        "cinematic": asdict(plan.cinematic),
    }
    write_json(plan.folder / PLAN, told)
    kept_plan.cache_clear()
    return plan


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all, its folder made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(path, overwrite=True) as beside:
        beside.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")


def _contestant(fields: dict[str, Any]) -> Contestant:
    config, folder = fields["config"], fields["folder"]
    return Contestant(
        name=fields["name"],
        config=GenerateConfig(**config) if config else None,
        prompt=fields["prompt"],
        folder=Path(folder) if folder else None,
    )
