"""Features to cues: which sounds, in layers, begin or last where.

A film is cut into stretches that show one scene (`scene`). A sure scene gives its sounds: hits at
the hits of the motion curve, beds that follow the motion or hold their level. Where no scene is
sure, what is struck sounds like what it is made of, if anything says so; else there is no hit, for
a wrong sound is worse than none. Under all of it lies the air of the place, across cuts.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from foleycli.config import CUES, EYES, FEATURES, SPACE
from foleycli.spot.cues import Cue, layer_of
from foleycli.spot.features import Features, Told
from foleycli.spot.people import walk
from foleycli.spot.phrases import (
    Phrase,
    asked_vocabulary,
    how_of,
    is_understood,
    known_phrase,
    split_prompt,
    vocabulary,
)
from foleycli.spot.scene import (
    Evidence,
    Line,
    Place,
    Scene,
    all_places,
    all_scenes,
    asked_lines,
    gather_evidence,
    materials,
    things_of,
)
from foleycli.spot.where import (
    distance_of,
    moving_distance,
    pan_of,
    shot_distance,
    steady_hits,
    steady_places,
)

RATE = FEATURES.when_rate
STRUCK = {  # what a thing of a material sounds like when it is struck
    "card": "cardboard box hit",
    "ceramic": "ceramic hit",
    "cloth": "soft thud",
    "glass": "glass clinking",
    "leaf": "leaves struck",
    "metal": "metal hit",
    "paper": "paper crumple",
    "plastic": "plastic hit",
    "rubber": "soft thud",
    "skin": "soft thud",
    "stone": "stone hit",
    "wood": "wood impact",
}
EYES_SEE = "eyes see"  # it begins so, where a model of the user's own said it
ASKED = "asked for"  # a cue's evidence begins so, where words say it
Curve = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Heard:
    """A sound that a stretch of film is believed to have."""

    phrase: Phrase
    confidence: float
    start: Fraction
    end: Fraction
    level_db: float = 0.0
    evidence: str = ""
    things: frozenset[str] = frozenset()  # those of which it may come


@dataclass(frozen=True, slots=True)
class Stretch:
    """Film that shows one scene, between two cuts."""

    start: Fraction
    end: Fraction
    scenes: tuple[tuple[Scene, float, str], ...]  # those that are sure: score, and why
    place: Place
    place_score: float
    material: str  # "" where none is sure
    why_place: str = ""  # what was seen that says so, and of the material
    why_material: str = ""


def find_cues(features: Features, prompt: str | None = None, *, air: bool = True) -> list[Cue]:
    """Cues of a span of film, in order of time.

    Args:
        prompt: says what sounds in place of what is seen; commas and semicolons part several
            sounds. The place that is seen stays, unless the prompt names one.
        air: whether the sound of the place lies under everything.
    """
    lines = [(said, line) for said in split_prompt(prompt or "") for line in asked_lines(said)]
    # "horse ridden in an arena, hooves" asks for one gallop
    asked = list({line.phrase: (said, line) for said, line in reversed(lines)}.values())[::-1]
    stretches = list(watch(features))
    heard: list[Heard] = []
    for stretch in stretches:
        if prompt:
            span = stretch.start, stretch.end
            heard += [
                Heard(a.phrase, 1.0, *span, a.level_db, f"{ASKED}: {said}") for said, a in asked
            ]
            if asked and not any(is_understood(line.phrase) for _, line in asked):
                heard += hear(features, stretch)  # "badminton tutorial" is no sound
        else:
            heard += hear(features, stretch)
    if air and not any(line.phrase.layer == "air" for _, line in asked):
        heard += breathe(stretches, heard)
    steps = [] if asked else [cue for s in stretches for cue in _steps(features, s)]
    walked = [(cue.start, cue.end) for cue in steps]
    cues = [
        cue
        for cue in _told_apart(features, heard)
        if not (cue.layer == "feet" and any(a <= cue.start < b for a, b in walked))
    ]
    return sorted([*cues, *steps], key=lambda cue: (cue.start, cue.kind, cue.what))


def _told_apart(features: Features, heard: Sequence[Heard]) -> Iterator[Cue]:
    """The cues of all sounds; one hit of the motion sounds once, unless things of one layer of one
    scene sound together, as drums do. Sounds come in order of how sure they are."""
    taken: list[tuple[Fraction, tuple[str, str]]] = []
    for sound in heard:
        own = (sound.evidence.partition(":")[0], sound.phrase.layer)
        for cue in _cues(features, sound):
            if cue.kind == "hit":
                if any(abs(cue.start - at) < CUES.one_hit and by != own for at, by in taken):
                    continue
                taken.append((cue.start, own))
            yield cue


def watch(features: Features) -> Iterator[Stretch]:
    """The stretches of a film, in order: each between two cuts, and of one scene."""
    told = {shot: list(parts) for shot, parts in _told_by_shot(features)}
    for start, end in features.shots():
        if parts := told.get((start, end)):
            yield from map(_told_stretch, parts)
        else:
            yield from _watch_shot(features, start, end)


def _told_by_shot(
    features: Features,
) -> Iterator[tuple[tuple[Fraction, Fraction], list[Told]]]:
    """Shots of which a model told all."""
    for start, end in features.shots():
        parts = [part for part in features.told if start <= part.start < end]
        if parts and parts[0].start == start and parts[-1].end == end:
            yield (start, end), parts


def _told_stretch(told: Told) -> Stretch:
    """What a vision-language model said: each sound as a scene of its own, the main one first."""
    place = next(place for place in all_places() if place.name == told.place)
    scenes = []
    for words, layer, how, seen in told.sounds:
        lines = _told_lines(words, layer, how)
        if lines:
            scene = Scene(f"{EYES_SEE} {words}", False, lines)
            scenes.append((scene, EYES.score, f"{seen} ({told.by})" if seen else told.by))
    hits = any(line.phrase.kind == "hit" for scene, _, _ in scenes for line in scene.lines)
    if told.struck in STRUCK and not hits:
        line = Line(known_phrase(STRUCK[told.struck]))
        scene = Scene(f"{EYES_SEE} struck {told.struck}", False, (line,))
        scenes.append((scene, EYES.score, told.by))
    return Stretch(told.start, told.end, tuple(scenes), place, EYES.score, "", told.by)


def _told_lines(words: str, layer: str, how: str) -> tuple[Line, ...]:
    """Words as known sounds, which we know better; those that nobody knows, as they were told."""
    known = {phrase.words: phrase for phrase in (*vocabulary(), *asked_vocabulary())}
    lines = (Line(known[words]),) if words in known else asked_lines(words)
    if len(lines) == 1 and lines[0].phrase.words not in known:
        gap = {"hit": 0.4, "run": 0.15}.get(how, 0.0)
        phrase = Phrase(lines[0].phrase.words, layer_of(layer), how_of(how), gap)
        return (Line(phrase),)
    return lines


def _watch_shot(features: Features, start: Fraction, end: Fraction) -> Iterator[Stretch]:
    if features.classes is None:  # features that somebody else's encoder made, without classes
        yield Stretch(start, end, (), all_places()[0], 0.0, "")
        return
    first, last = _rows(features, start, end)
    evidence = gather_evidence(
        features.classes[first:last],
        [
            replace(s, time=max(Fraction(0), s.time - start))
            for s in features.sightings
            if start <= s.time < end
        ],
        None if features.dark is None else features.dark[first:last],
        reach=CUES.steady_rows // 2,
    )
    for a, b in _steady(evidence.scenes):
        begin = start if a == 0 else Fraction(first + a, FEATURES.frame_rate)
        stop = end if b == len(evidence.scenes) else Fraction(first + b, FEATURES.frame_rate)
        yield _stretch(evidence, slice(a, b), max(start, begin), stop)


def _stretch(evidence: Evidence, rows: slice, start: Fraction, end: Fraction) -> Stretch:
    scores = evidence.scenes[rows].mean(axis=0)
    order = np.argsort(-scores, kind="stable")
    least = max(CUES.sure_scene, CUES.second_scene * float(scores[order[0]]))
    sure = [int(i) for i in order[: CUES.scenes] if scores[i] >= least]
    places, made_of = evidence.places[rows].mean(axis=0), evidence.materials[rows].mean(axis=0)
    where, material = int(places.argmax()), int(made_of.argmax())
    return Stretch(
        start,
        end,
        tuple((all_scenes()[i], float(scores[i]), evidence.why(rows, i)) for i in sure),
        all_places()[where],
        float(places[where]),
        materials()[material] if made_of[material] >= CUES.sure_material else "",
        evidence.why_place(rows, where),
        evidence.why_material(rows, material),
    )


def hear(features: Features, stretch: Stretch) -> Iterator[Heard]:
    """What a stretch sounds like, apart from its air."""
    struck = True
    for number, (scene, score, why) in enumerate(stretch.scenes):
        quieter = CUES.second_db if number else 0.0
        struck = False
        if scene.moves and _activity(features, stretch).max(initial=0) < CUES.still:
            continue
        for line in scene.lines:
            yield Heard(
                line.phrase,
                _confidence(score),
                stretch.start,
                stretch.end,
                line.level_db + quieter,
                _because(scene.name, why),
                things_of(scene),
            )
    if struck and stretch.material in STRUCK and stretch.place.name not in CUES.never_struck:
        yield Heard(
            known_phrase(STRUCK[stretch.material]),
            CUES.struck_confidence,
            stretch.start,
            stretch.end,
            evidence=_because(f"struck {stretch.material}", stretch.why_material),
        )


def _steps(features: Features, stretch: Stretch) -> Iterator[Cue]:
    return walk(features.sightings, stretch.start, stretch.end, stretch.place.name)


def breathe(stretches: Sequence[Stretch], heard: Sequence[Heard]) -> Iterator[Heard]:
    """The air of each place, from where it is first seen until another is; it crosses cuts."""
    for place, shots in itertools.groupby(stretches, key=lambda stretch: stretch.place):
        run = list(shots)
        start, end = run[0].start, run[-1].end
        named = {sound.phrase.words for sound in heard if start <= sound.start < end}
        if place.air.phrase.words in named:
            continue
        busy = any(sound.start < end and sound.end > start for sound in heard)
        level = place.air.level_db + (CUES.air_db if busy else CUES.alone_db)
        surest = max(run, key=lambda stretch: stretch.place_score)
        score, why = surest.place_score, _because(f"place {place.name}", surest.why_place)
        yield Heard(place.air.phrase, _confidence(score), start, end, level, why)


def _because(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


def _confidence(score: float) -> float:
    """0 to 1: a half where a scene is just sure."""
    return float(1 / (1 + np.exp(CUES.sure_scene - score)))


def _cues(features: Features, sound: Heard) -> Iterator[Cue]:
    return (hit_cues if sound.phrase.kind == "hit" else bed_cues)(features, sound)


def hit_cues(features: Features, sound: Heard) -> Iterator[Cue]:
    """A cue at each hit, the strongest first where they come closer than the sound allows."""
    first, last = _points(features, sound)
    hits = features.hits[first:last]
    taken: list[int] = []
    gap = sound.phrase.gap * RATE
    for i in np.argsort(-hits, kind="stable"):
        if hits[i] < CUES.sure_hit:
            break
        if all(abs(i - other) >= gap for other in taken):
            taken.append(int(i))
    places = _hit_places(features, sound, [Fraction(first + i, RATE) for i in sorted(taken)])
    for i, where in zip(sorted(taken), places, strict=True):
        start = Fraction(first + i, RATE)
        strength = 20 * float(np.log10(min(1.0, hits[i]))) + _force_db(features, first + i)
        length = _on_grid(min(Fraction(CUES.hit_length), sound.end - start))
        yield replace(_cue(sound, start, length, round(sound.level_db + strength, 1)), **where)


def _force_db(features: Features, point: int) -> float:
    """How much louder than usual a hit is, for how hard what moves comes."""
    force = 0.0 if features.force is None else float(features.force[point])
    if force <= 0:
        return 0.0
    return float(np.clip(10 * np.log10(force / CUES.usual_force), -CUES.force_db, CUES.force_db))


def bed_cues(features: Features, sound: Heard) -> Iterator[Cue]:
    """Touching beds, one for each stretch of the same level.

    What follows the motion is softer where less moves; what holds its level, which sounds on where
    nothing moves, is so a little; air is level.
    """
    first, last = _points(features, sound)
    activity = features.activity[first:last]
    if not len(activity):
        return
    holds = sound.phrase.how == "hold"
    still = activity.max(initial=0) < CUES.still
    if sound.phrase.layer == "air" or (holds and still):
        yield _cue(sound, sound.start, sound.end - sound.start, sound.level_db)
        return
    if still:
        return
    softest = CUES.hold_range_db if holds else CUES.bed_range_db
    step = int(CUES.bed_step * RATE)
    levels = [
        sound.level_db + _bed_level(activity[i : i + step], activity, softest)
        for i in range(0, len(activity), step)
    ]
    at = [Fraction(first + i * step, RATE) for i in range(len(levels))]
    places = _bed_places(features, sound, at)
    begin = 0
    for i in range(1, len(levels) + 1):
        if i < len(levels) and (levels[i], places[i]) == (levels[begin], places[begin]):
            continue
        end = Fraction(min(first + i * step, last), RATE)
        yield replace(_cue(sound, at[begin], end - at[begin], levels[begin]), **places[begin])
        begin = i


def _hit_places(features: Features, sound: Heard, at: Sequence[Fraction]) -> list[dict[str, float]]:
    """Where hits are: at the thing that sounds, else where what moved stops, all as far away."""
    seen = [_where(features, sound, time) for time in at]
    points = np.array([round(time * RATE) for time in at], int)
    nameless = [i for i, place in enumerate(seen) if not place]
    moving = [_moving(features, sound, points[i : i + 1]) for i in nameless]
    pans = steady_hits([place["pan"] for place in moving])
    distance = _moving(features, sound, points[nameless])["distance"] if nameless else 0.0
    for i, pan in zip(nameless, pans, strict=True):
        seen[i] = {"pan": round(pan, 2), "distance": distance}
    return seen


def _bed_places(features: Features, sound: Heard, at: Sequence[Fraction]) -> list[dict[str, float]]:
    """Where a bed is at some times: it goes with its thing, or stays where most of it moves."""
    seen = [_where(features, sound, time) for time in at]
    if any(seen):
        return steady_places(seen)
    points = np.arange(*_points(features, sound))
    return [_moving(features, sound, points, lands=False)] * len(at)


def _moving(
    features: Features, sound: Heard, points: NDArray[np.int64], *, lands: bool = True
) -> dict[str, float]:
    """The middle of what moves at some points, as far away as what the shot shows. What lands there
    has a size; what goes on moving all over the picture, as water does, has none."""
    looks = [s for s in features.sightings if sound.start <= s.time < sound.end]
    places, sizes = (
        np.zeros(0) if curve is None else curve[points[points < len(curve)]]
        for curve in (features.places, features.sizes if lands else None)
    )
    pan = float(places.mean()) if len(places) else 0.0
    size = float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 0.0
    usual = dict(SPACE.usual).get(sound.phrase.layer)
    near = moving_distance(size, usual) if usual else 0.0
    return {"pan": round(pan, 2), "distance": round(shot_distance(looks, near), 1)}


def _where(features: Features, sound: Heard, at: Fraction) -> dict[str, float]:
    """Pan and distance of the thing that sounds, as it was last seen; none where it was not. Of
    several the one that is nearest to where what moves stops."""
    looks = [s for s in features.sightings if sound.start <= s.time < sound.end]
    point = round(at * RATE)
    stops = 0.0 if features.places is None else float(features.places[point : point + 1].sum())
    seen = [
        (abs(look.time - at), abs(pan_of(thing.box) - stops), -thing.score, thing, look.aspect)
        for look in looks
        for thing in look.things
        if thing.name in sound.things
    ]
    if not seen:
        return {}
    thing, aspect = min(seen, key=lambda found: found[:3])[3:]
    distance = distance_of(thing.name, thing.box, aspect)
    return {"pan": round(pan_of(thing.box), 2), "distance": round(distance, 1)}


def _cue(sound: Heard, start: Fraction, duration: Fraction, level_db: float) -> Cue:
    return Cue(
        start=start,
        duration=duration,
        kind=sound.phrase.kind,
        what=sound.phrase.words,
        level_db=level_db,
        confidence=round(sound.confidence, 2),
        layer=sound.phrase.layer,
        evidence=sound.evidence,
    )


def _bed_level(part: Curve, whole: Curve, softest: float) -> float:
    """dB, in steps of 3: softer where less moves than usual, down to ``-softest``."""
    loud = float(np.quantile(whole, 0.9))
    share = float(part.mean()) / max(loud, 1e-6)
    level = max(-softest, min(0.0, 20 * float(np.log10(share + 1e-6))))
    return 3.0 * round(level / 3)


def _steady(scores: Curve) -> Iterator[tuple[int, int]]:
    """Stretches of rows in which the likeliest scene stays the same, none shorter than allowed."""
    surest = scores.argmax(axis=1)
    begin = 0
    for i in range(1, len(surest) + 1):
        changed = i < len(surest) and surest[i] != surest[begin]
        long_enough = i - begin >= CUES.steady_rows and len(surest) - i >= CUES.steady_rows
        if i == len(surest) or (changed and long_enough):
            yield begin, i
            begin = i


def _activity(features: Features, stretch: Stretch) -> Curve:
    first, last = _points(features, stretch)
    return features.activity[first:last]


def _rows(features: Features, start: Fraction, end: Fraction) -> tuple[int, int]:
    """The half-open range of rows that lie in a span, at least one."""
    first = min(round(start * FEATURES.frame_rate), len(features.rows) - 1)
    return first, max(first + 1, round(end * FEATURES.frame_rate))


def _points(features: Features, sound: Heard | Stretch) -> tuple[int, int]:
    """The half-open range of curve points that lie in a sound's span."""
    last = min(int(sound.end * RATE), len(features.hits))
    return min(last, -int(-sound.start * RATE // 1)), last


def _on_grid(duration: Fraction) -> Fraction:
    """The longest whole number of curve points within, at least one, so that a sheet is exact."""
    return Fraction(max(1, int(duration * RATE)), RATE)
