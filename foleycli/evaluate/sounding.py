"""The sounds of a run's models: made once, with a note of what they were made with."""

import json
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from foleycli.clip.media import content_hash
from foleycli.config import OUTPUT, GenerateConfig
from foleycli.evaluate.clipset import Example
from foleycli.evaluate.contestants import Contestant
from foleycli.evaluate.looks import encoder_hashes, look
from foleycli.evaluate.plan import Plan, kept_plan, write_json
from foleycli.sources.identity import source_fingerprint
from foleycli.sources.open import Source, open_source
from foleycli.spot.find import find_cues
from foleycli.version import VERSION
from foleycli.waveform.loudness import limit_peaks
from foleycli.waveform.write import write_waveform

# options that do not change what is made
INDIFFERENT = ("device", "takes", "overwrite", "verify", "wav", "mode", "offline")


@dataclass(frozen=True, slots=True)
class Sounding:
    """A clip to be sounded by one model; plain, so that it travels between processes."""

    run: Path
    model: str
    variant: str
    id: str

    def __str__(self) -> str:
        return f"{self.id} ({self.model}, {self.variant})"


def plan_soundings(plan: Plan) -> list[Sounding]:
    """All that the models have to sound, model by model, so that each is loaded once.

    Raises:
        ModelError: one of them is unknown or not installed.
    """
    models = [contestant for contestant in plan.contestants if contestant.config]
    for contestant in models:
        source_fingerprint(contestant.options)  # fails here, before anything slow
    return [
        Sounding(plan.folder, contestant.name, variant, example.id)
        for contestant in models
        for variant in plan.variants
        for example in plan.examples
    ]


def make_sounds(task: Sounding) -> None:
    """Look at a clip once and make its takes, 48 kHz mono, a seed each; unless they are there and
    were made of this clip with these options.

    Raises:
        FoleyError: the clip cannot be used.
    """
    plan = kept_plan(task.run)
    contestant, example = plan.contestant(task.model), plan.example(task.id)
    outs = plan.sounds(contestant, task.variant, example)
    note = outs[0].with_name(f"{task.id}.json")
    made_with = _made_with(plan, contestant, example)
    if all(out.is_file() for out in outs) and _read(note) == made_with:
        return
    outs[0].parent.mkdir(parents=True, exist_ok=True)
    note.unlink(missing_ok=True)
    config = contestant.options
    source = _opened(config)
    features = look(source, config, example, task.variant, plan.cinematic)
    cues = find_cues(features, example.prompt if contestant.prompt else None)
    for take, out in enumerate(outs):
        blocks = source.render(features, cues, replace(config, seed=config.seed + take))
        limited = limit_peaks(blocks, OUTPUT.true_peak_db, OUTPUT.sample_rate)
        write_waveform(out, limited, OUTPUT.sample_rate, overwrite=True)
    write_json(note, made_with)


@lru_cache(maxsize=1)
def _opened(config: GenerateConfig) -> Source:
    """The source of a process, kept while it is the one at work."""
    return open_source(config)


def _made_with(plan: Plan, contestant: Contestant, example: Example) -> dict[str, Any]:
    config = contestant.options
    options = {key: value for key, value in asdict(config).items() if key not in INDIFFERENT}
    made_with = {
        "foleycli": VERSION,
        "source": source_fingerprint(config),
        "encoder": encoder_hashes(config.encoder),
        "options": options,
        "prompt": example.prompt if contestant.prompt else None,
        "clip": content_hash(example.clip),
        "takes": plan.takes,
        "cinematic": asdict(plan.cinematic),
    }
    return json.loads(json.dumps(made_with))  # as it is read again: with lists for tuples


def _read(note: Path) -> object:
    try:
        return json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
