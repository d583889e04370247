"""An output, a reel or a model -> whose recordings are in it, and what else was learned from."""

import csv
from dataclasses import dataclass
from pathlib import Path

from foleycli import models
from foleycli.documents import is_file, parse_json
from foleycli.errors import MediaError
from foleycli.library.credits import Credit, credits_of, read_credits
from foleycli.library.table import RECORDINGS, SHIPPED
from foleycli.models.registry import MODELS, find_model
from foleycli.recipe import HEARD, read_recipe, recipe_path
from foleycli.timeline.journal import read_journal
from foleycli.timeline.lanes import show
from foleycli.timeline.reconform import find_journal

LEARNED = "credits.csv"  # in a model's folder: what it was trained on
PACKAGE = Path(models.__file__).parent
SETS = PACKAGE / "sets.csv"  # what each part of what ships was trained on


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """What a part of a model learned from."""

    model: str
    part: str  # its files, a space between
    set: str
    what: str
    licence: str
    author: str
    url: str


@dataclass(frozen=True, slots=True)
class Credits:
    """Whose sounds something holds."""

    of: str  # file or model
    model: str
    licence: str  # of the weights, or of the recordings as a whole
    credits: tuple[Credit, ...]
    learned: bool  # they are what a model learned from, not what is heard
    sets: tuple[TrainingSet, ...] = ()  # of a model that ships, all that its parts learned from


def find_credits(asked: str) -> Credits:
    """The credits of an output beside its recipe, of a recipe, of a reel that was sounded, or of a
    model.

    Raises:
        FoleyError: it is none of them, or does not say what is heard.
    """
    path = Path(asked)
    if not is_file(path) and not path.is_dir():
        return _of_model(asked)
    if path.name.endswith(".foley.json"):
        return _of_recipe(path)
    if is_file(recipe_path(path)):
        return _of_recipe(recipe_path(path))
    return _of_reel(find_journal(path))


def training_sets(name: str) -> tuple[TrainingSet, ...]:
    """What the parts of a model that ships learned from; of another one, nothing."""
    with SETS.open(newline="", encoding="utf-8") as file:
        return tuple(TrainingSet(**row) for row in csv.DictReader(file) if row["model"] == name)


def _of_model(name: str) -> Credits:
    sets = training_sets(name)
    if sets and not any(model.name == name for model in MODELS):  # eyes and ears of ours
        table = PACKAGE / name / LEARNED
        credits = tuple(read_credits(table).values()) if is_file(table) else ()
        return Credits(name, name, "Apache-2.0", credits, True, sets)
    model = find_model(name)
    table = model.folder / LEARNED
    if model.kind == "recordings":
        credits = tuple(read_credits(SHIPPED / RECORDINGS).values())
        return Credits(name, name, model.weights_licence, credits, False, sets)
    credits = tuple(read_credits(table).values()) if is_file(table) else ()
    return Credits(name, name, model.weights_licence, credits, True, sets)


def _of_recipe(path: Path) -> Credits:
    recipe = read_recipe(path)
    stated = parse_json(path.read_text(encoding="utf-8"))
    ids = [cue.get(HEARD) for cue in stated["cues"]]
    if any(one is None for one in ids):
        return _made_by(path.name, recipe.source, f"foley redo {path.name} --overwrite")
    heard = [str(one) for some in ids for one in some]
    return _of_recordings(path.name, recipe.source, recipe.config.library, heard)


def _of_reel(path: Path) -> Credits:
    journal = read_journal(path)
    events = [one.event for shot in journal.shots for one in
              show(journal.lane(shot.lane), shot.window, shot.seed)]  # fmt: skip
    if events and not any(event.heard for event in events):
        return _made_by(path.name, journal.source, "foley timeline again with --overwrite")
    heard = [one for event in events for one in event.heard]
    return _of_recordings(path.name, journal.source, journal.options.library, heard)


def _made_by(name: str, source: str, again: str) -> Credits:
    """Of a source that makes its sounds itself: what it learned from."""
    if source == "library":
        raise MediaError(f"{name} does not say which recordings are heard.", f"Run {again}.")
    model = _of_model(source)
    return Credits(name, source, model.licence, model.credits, True, model.sets)


def _of_recordings(name: str, source: str, library: str | None, heard: list[str]) -> Credits:
    return Credits(name, source, "", credits_of(heard, library), False)
