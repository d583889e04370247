"""A scene from a vision-language model of the user's own (``--eyes URL``; docs/eyes.md).

For every shot one contact sheet goes out, and place, sounds in layers and what is struck come back,
as JSON. What comes back is checked against our own tables, kept by hash, and takes the place of
what our own networks hold for the scene; when something moves is ours. A server that is dead, slow
or wrong costs a warning, and the shot is seen as ever.
"""

import hashlib
import io
import json
import logging
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any, get_args

import numpy as np
from PIL import Image, ImageDraw

from foleycli.clip.probe import Clip
from foleycli.config import EYES, EyesConfig, GenerateConfig
from foleycli.documents import parse_json
from foleycli.errors import FoleyError, UsageError
from foleycli.folders import cache_folder, make_folder
from foleycli.frames.decode import decode_pictures
from foleycli.output import atomic_output
from foleycli.sight.remote import Address, RudeError, Server
from foleycli.spot.cues import LAYERS
from foleycli.spot.features import Features, Told
from foleycli.spot.phrases import How
from foleycli.spot.scene import all_places, materials
from foleycli.spot.scored import PULLED, PulledEyes, open_pulled

LOG = logging.getLogger("foleycli")
WORDS = re.compile(r"[A-Za-z][A-Za-z' -]{1,59}")  # of a sound: no file's name, no formula
STILL = Fraction(1, 25)  # seconds of film that are decoded for one
GAP = 6  # pixels between stills
Answer = dict[str, Any]
Progress = Callable[[float], None]
Eyes = Server | PulledEyes


def open_eyes(config: GenerateConfig) -> Eyes | None:
    """What ``config.eyes`` names: a server, or the eyes that were pulled; None without it.

    Raises:
        UsageError: it is no address, or lies elsewhere and the network must not be used.
        ModelError: they were not pulled.
    """
    if not config.eyes:
        return None
    if config.eyes == PULLED:
        return open_pulled()
    address = Address.parse(config.eyes)
    if config.offline and not address.is_here:
        raise UsageError(
            f"--eyes {config.eyes} is not this machine, and --offline keeps everything on it.",
            "Leave out one of them, or run the model here.",
        )
    return _server(address, config.eyes_model or "")


@cache  # one a process: what is dead for one clip is not waited for again for the next
def _server(address: Address, model: str) -> Server:
    return Server(address, model)


def tell(
    features: Features,
    film: Clip,
    server: Eyes | None,
    at: Callable[[Fraction], Fraction],
    progress: Progress = lambda done: None,
) -> Features:
    """Features with what a server says of every shot; as they are where it says nothing.

    Args:
        at: seconds of the features -> seconds from the film's first frame.
    """
    if server is None or server.is_gone:
        return features
    if not features.says_what:
        LOG.warning("--eyes is not asked: this model follows the picture itself, without cues.")
        return features
    told: list[Told] = []
    failed = silent = 0
    shots = features.shots()
    for number, (start, end) in enumerate(shots):
        try:
            told += [_ask(server, film, a, b, at) for a, b in _parts(start, end, server.config)]
            failed = 0
        except RudeError as error:
            silent += 1
            failed += 1
            server.is_gone = error.gone or failed >= server.config.failures
            if failed == 1 or server.is_gone:
                LOG.warning("--eyes %s: %s.", server.name, error)
        progress((number + 1) / len(shots))
        if server.is_gone:
            silent += len(shots) - number - 1
            break
    if silent:
        LOG.warning(
            "%s: %d of %d shots are seen without --eyes.", film.path.name, silent, len(shots)
        )
    return replace(features, told=tuple(told))


def _parts(
    start: Fraction, end: Fraction, config: EyesConfig
) -> Iterator[tuple[Fraction, Fraction]]:
    """A shot, or equal parts of a long one."""
    count = max(1, math.ceil((end - start) / Fraction(config.longest_shot)))
    for i in range(count):
        yield start + (end - start) * i / count, start + (end - start) * (i + 1) / count


def _ask(
    server: Eyes,
    film: Clip,
    start: Fraction,
    end: Fraction,
    at: Callable[[Fraction], Fraction],
) -> Told:
    count = min(server.config.stills, max(1, round(float(end - start) / server.config.every)))
    times = [start + (end - start) * (2 * i + 1) / (2 * count) for i in range(count)]
    stills = [still for time in times if (still := _still(film, at(time))) is not None]
    if not stills:
        raise RudeError("the shot has no picture to show")
    if isinstance(server, PulledEyes):
        return _as_told(start, end, server.answer(stills), server.name)
    sheet = draw_sheet(stills, server.config.quality)
    key = hashlib.blake2b(digest_size=16)
    for part in (server.address.base, server.model, question(), json.dumps(schema())):
        key.update(part.encode("utf-8", "surrogatepass") + b"\0")
    key.update(sheet)
    answer = _kept(key.hexdigest())
    if answer is None:
        answer = check_answer(server.ask(question(), sheet, schema()), server.config)
        _keep(key.hexdigest(), answer)
    return _as_told(start, end, answer, server.model)


def _as_told(start: Fraction, end: Fraction, answer: Answer, by: str) -> Told:
    sounds = tuple((s["words"], s["layer"], s["how"], s["seen"]) for s in answer["sounds"])
    return Told(start, end, answer["place"], sounds, answer["struck"], _plain(by, 40))


def _still(film: Clip, time: Fraction) -> np.ndarray | None:
    """The picture on screen at a time, longest side 384; None after the end."""
    start = max(Fraction(0), time)
    with suppress(FoleyError):
        for picture in decode_pictures(film, start, start + STILL):
            return picture.larger() if picture.larger else picture.rgb
    return None


def draw_sheet(stills: Sequence[np.ndarray], quality: int = EYES.quality) -> bytes:
    """Stills (height, width, 3) side by side in order of time, numbered, as a JPEG."""
    columns = math.ceil(math.sqrt(len(stills)))
    rows = math.ceil(len(stills) / columns)
    height, width = stills[0].shape[:2]
    size = (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP)
    sheet = Image.new("RGB", size, (0, 0, 0))
    draw = ImageDraw.Draw(sheet)
    for number, still in enumerate(stills):
        left = number % columns * (width + GAP)
        top = number // columns * (height + GAP)
        sheet.paste(Image.fromarray(np.ascontiguousarray(still)), (left, top))
        if len(stills) > 1:
            draw.rectangle((left, top, left + 16, top + 14), fill=(0, 0, 0))
            draw.text((left + 4, top + 1), str(number + 1), fill=(255, 255, 255))
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=quality)
    return file.getvalue()


@lru_cache(maxsize=1)
def schema() -> Answer:
    """The JSON schema of an answer, of our own tables' words."""
    text = {"type": "string"}
    sound = {
        "type": "object",
        "properties": {
            "words": text,
            "layer": {"type": "string", "enum": _layers()},
            "how": {"type": "string", "enum": list(get_args(How))},
            "seen": text,
        },
        "required": ["words", "layer", "how", "seen"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "place": {"type": "string", "enum": [place.name for place in all_places()]},
            "sounds": {"type": "array", "items": sound, "maxItems": EYES.sounds},
            "struck": {"type": "string", "enum": ["", *materials()]},
        },
        "required": ["place", "sounds", "struck"],
        "additionalProperties": False,
    }


def _layers() -> list[str]:
    return [layer for layer in LAYERS if layer != "air"]


@lru_cache(maxsize=1)
def question() -> str:
    """What a model is asked, with the schema in words for servers that know none."""
    return f"""These numbered stills are one shot of a film, in order of time. You are a Foley \
artist: say which sounds its picture makes, so that recordings of them can be laid.
Answer with one JSON object and nothing else:
"place": where it is, one of: {", ".join(place.name for place in all_places())}.
"sounds": at most {EYES.sounds} of what visibly makes a sound here, the main one first; [] where \
nothing does. Each has
  "words": two to four English words that name a recording: the thing, then what it does, such as \
"dog barking", "footsteps on gravel", "cup on table", "rain on window". Say what it is made of.
  "layer": feet (steps), moves (cloth), props (what hands do), hard (machines, vehicles, weapons, \
doors, water, weather) or voices (animals, crowds).
  "how": hit (single sounds), run (hits that follow fast), grains (many small sounds), bed (goes \
on while it moves) or hold (goes on even where it stands still).
  "seen": in a few words, where in the picture it is seen.
"struck": if something is struck or put down, what it is made of, one of: \
{", ".join(materials())}; else "".
No music, no speech, no sound of what is not in the picture, no air of the place."""


def check_answer(answer: Any, config: EyesConfig = EYES) -> Answer:
    """An answer in our own words.

    Raises:
        RudeError: it is not what the schema asks for; saying where.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("sounds"), list):
        raise RudeError("what it says has no sounds")
    place, struck = _text(answer, "place"), _text(answer, "struck")
    if place not in {known.name for known in all_places()}:
        raise RudeError(f"it knows a place {place[:40]!r} that we do not")
    if struck not in ("", *materials()):
        raise RudeError(f"it knows a material {struck[:40]!r} that we do not")
    sounds = [_checked_sound(sound) for sound in answer["sounds"][: config.sounds]]
    return {"place": place, "sounds": sounds, "struck": struck}


def _checked_sound(sound: Any) -> dict[str, str]:
    if not isinstance(sound, dict):
        raise RudeError("what it says of a sound is no object")
    words = " ".join(_text(sound, "words").split())
    layer, how = _text(sound, "layer"), _text(sound, "how")
    if not WORDS.fullmatch(words):
        raise RudeError(f"{words[:60]!r} are no words for a sound")
    if layer not in _layers() or how not in get_args(How):
        raise RudeError(f"layer {layer[:20]!r}, how {how[:20]!r} of {words!r} are unknown")
    return {
        "words": words.lower(),
        "layer": layer,
        "how": how,
        "seen": _plain(_text(sound, "seen")),
    }


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str):
        raise RudeError(f"{name} is no text")
    return value


def _plain(text: str, most: int = 80) -> str:
    """Text that may stand in a sheet or on a page: one line, no colons, which part evidence."""
    return " ".join(re.sub(r"[^\w .,'()/-]", " ", text).split())[:most]


def _kept(name: str) -> Answer | None:
    try:
        text = (cache_folder("eyes") / f"{name}.json").read_text(encoding="utf-8")
        return check_answer(parse_json(text))
    except (OSError, ValueError, RudeError):
        return None


def _keep(name: str, answer: Answer) -> None:
    with suppress(FoleyError, OSError):  # it is asked again next time
        folder = make_folder(cache_folder("eyes"))
        with atomic_output(folder / f"{name}.json", overwrite=True) as beside:
            beside.write_text(json.dumps(answer), encoding="utf-8")
