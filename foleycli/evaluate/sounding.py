"""The sounds of a run's models: made once, with a note of what they were made with."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from foleycli import __version__
from foleycli.clip.probe import Clip, content_hash, probe
from foleycli.config import OUTPUT, CinematicConfig, GenerateConfig
from foleycli.evaluate.clipset import Example
from foleycli.evaluate.contestants import FULL, Contestant
from foleycli.evaluate.plan import Plan, kept_plan, write_json
from foleycli.features.find import find_cues
from foleycli.frames.decode import Crop, decode_pictures
from foleycli.models.identity import source_fingerprint
from foleycli.models.sources import Source, open_source
from foleycli.train.cinematic import clip_window, crop_for
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
    """Make a clip's takes, unless they are there and were made of this clip with these options.

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
    film = probe(example.clip)
    crop = view(film, example, task.variant, plan.cinematic)
    prompt = example.prompt if contestant.prompt else contestant.options.prompt
    _sound(film, crop, replace(contestant.options, prompt=prompt), outs)
    write_json(note, made_with)


def view(film: Clip, example: Example, variant: str, config: CinematicConfig) -> Crop | None:
    """What is seen of a film in a variant: all of it, a close-up or a camera move."""
    if variant == FULL:
        return None
    return crop_for(film, clip_window(variant, film, example.id, config))


def _sound(film: Clip, crop: Crop | None, config: GenerateConfig, outs: Sequence[Path]) -> None:
    """Look once, and write a take for every seed: 48 kHz, mono."""
    source = _opened(replace(config, prompt=None))
    features = source.encode(decode_pictures(film, crop=crop))
    cues = find_cues(features, config.prompt)
    for take, out in enumerate(outs):
        blocks = source.render(features, cues, replace(config, seed=config.seed + take))
        limited = limit_peaks(blocks, OUTPUT.true_peak_db, OUTPUT.sample_rate)
        write_waveform(out, limited, OUTPUT.sample_rate, overwrite=True)


@lru_cache(maxsize=1)
def _opened(config: GenerateConfig) -> Source:
    """The source of a process, kept while it is the one at work."""
    return open_source(config)


def _made_with(plan: Plan, contestant: Contestant, example: Example) -> dict[str, Any]:
    config = contestant.options
    options = {key: value for key, value in asdict(config).items() if key not in INDIFFERENT}
    return {
        "foleycli": __version__,
        "source": source_fingerprint(config),
        "encoder": _encoder_fingerprint(config.encoder),
        "options": options,
        "prompt": example.prompt if contestant.prompt else None,
        "clip": content_hash(example.clip),
        "takes": plan.takes,
        "cinematic": asdict(plan.cinematic),
    }


@lru_cache(maxsize=8)
def _encoder_fingerprint(encoder: str) -> list[str]:
    """Of an encoder that was trained; those that ship have the version of the package."""
    return [content_hash(path) for path in sorted(Path(encoder).glob("*.safetensors"))]


def _read(note: Path) -> object:
    try:
        return json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
