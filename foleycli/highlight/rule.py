"""The rule: what each stem is turned by in each span, term by term, and why.

Nothing here was learned. Terms that add up, in dB:

- *base*: one gain a stem for the whole, so that integrated loudness stands at the offsets of
  `HighlightConfig`, and the sum stays as loud as it was.
- *dip*: in a span of speech the music and the effects go down as far as they come too near to the
  speech around that span.
- *seen*, *close*, *words*: effects that follow the picture go up, others down; see `picture.py`.

Base and dip ask how it is and turn by what is missing, so that a balance that fits is left alone.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from foleycli.config import HIGHLIGHT, HighlightConfig
from foleycli.highlight.curves import STEMS, Span, Stem, limit_speed, on_grid
from foleycli.highlight.levels import STEPS, Levels, gated, lufs

Floats = NDArray[np.float64]
LOOK_AHEAD = 0.25  # seconds before and after speech in which the others are down already
AROUND = 2.0  # seconds on either side of a span from which the level of speech is taken
LEAST_SPEECH = 1.0  # seconds under which a mix is not parted
NO_SPEECH = "no speech: the mix as it was"
ALIKE = "what was taken for the voice is in the rest, too: the mix as it was"
FITS = "speech is near its offset: the mix as it was"
TOLD = 0.05  # dB from which a reason is given
Edges = Sequence[Fraction]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the picture says about the effects, a number a span; None where it was not asked."""

    follows: Floats | None = None  # -1 to 1: begin as the picture moves, or apart from it
    close: Floats | None = None  # 0 to 1: what moves fills the picture
    words: Floats | None = None  # -1 to 1: what they are called is seen, or something else is


def second_edges(duration: Fraction) -> list[Fraction]:
    """Whole seconds up to the end; a rest under half a second belongs to the last."""
    count = max(1, int(duration + Fraction(1, 2)))
    return [*map(Fraction, range(count)), duration]


def balance(
    levels: Levels,
    edges: Edges,
    config: HighlightConfig = HIGHLIGHT,
    seen: Seen | None = None,
    *,
    parted: int = 0,
    most_alike: float = 1.0,
) -> list[Span]:
    """Gains of every span.

    Args:
        levels: what was heard of the stems.
        edges: where spans begin, in seconds, and the end of the last.
        seen: what the picture says about the effects.
        parted: into how many parts a mix was taken, 0 where the stems are known. Of two the
            effects are all but the voice: where nobody speaks both get the same gain, so that what
            the parting did is not heard.
        most_alike: correlation of both beyond which they are the same sound, not a voice and the
            rest: an animal or rain that was taken for a voice is in both.
    """
    stems = [stem for stem in STEMS if stem in levels.energies]
    whole = parted == 2  # the effects are all the rest
    base = _parted_gains(levels, config) if whole else base_gains(levels, config)
    if parted:
        if whole and levels.speech.sum() < LEAST_SPEECH * STEPS:
            return _untouched(edges, stems, config, NO_SPEECH)
        if whole and levels.alike > most_alike:
            return _untouched(edges, stems, config, ALIKE)
        if np.ptp([base.get(stem, 0.0) for stem in stems]) < config.parted_least_db:
            return _untouched(edges, stems, config, FITS)
    speaks = _speaks(levels, edges)
    terms: dict[str, Floats] = {
        f"{stem} base": np.full(len(edges) - 1, base.get(stem, 0.0)) for stem in stems
    }
    for stem, clear in (
        ("music", config.clear_of_music),
        ("effects", config.speech_over_rest if whole else config.speech_over_effects),
    ):
        if stem in stems and speaks.any():
            dips = dip(levels, edges, speaks, stem, base, clear, config.dip_db)
            terms[f"{stem} dip"] = dips
    if "effects" in stems and seen:
        terms |= _seen_terms(seen, config)
    if whole:
        terms["dialogue as the rest"] = np.where(
            speaks, 0.0, terms["effects base"] - terms["dialogue base"]
        )
    common = _common_gain(levels, edges, stems, terms)
    common += _room(
        [float(terms[f"{stem} base"][0]) + common for stem in stems], config.max_gain_db
    )
    for stem in stems:
        terms[f"{stem} base"] = terms[f"{stem} base"] + common
    return _spans(edges, stems, terms, speaks, config)


def base_gains(levels: Levels, config: HighlightConfig = HIGHLIGHT) -> dict[Stem, float]:
    """dB that bring stems to their offsets, speech left as it is, or what is loudest without it.

    A stem that is silent, or alone, is left as it is.
    """
    wanted: dict[Stem, float] = {
        "dialogue": 0.0,
        "effects": config.effects_over_music - config.speech_over_music,
        "music": -config.speech_over_music,
    }
    loud: dict[Stem, float] = {}
    for stem, energies in levels.energies.items():
        heard = energies[levels.speech[: len(energies)]] if stem == "dialogue" else energies
        loud[stem] = gated(heard)
    there = [stem for stem in STEMS if np.isfinite(loud.get(stem, -np.inf))]
    if len(there) < 2:
        return {}
    first = max(there, key=lambda stem: wanted[stem])
    return {stem: wanted[stem] - wanted[first] + loud[first] - loud[stem] for stem in there}


def _untouched(
    edges: Edges, stems: Sequence[Stem], config: HighlightConfig, reason: str
) -> list[Span]:
    zeros = {f"{stem} base": np.zeros(len(edges) - 1) for stem in stems}
    return finish_spans(edges, stems, zeros, config, reason)


def _parted_gains(levels: Levels, config: HighlightConfig) -> dict[Stem, float]:
    """As `base_gains`, of a voice and the rest of a mix; both as loud as they are in speech."""
    voice, rest = (levels.energies[stem] for stem in ("dialogue", "effects"))
    loud = [gated(part[levels.speech[: len(part)]]) for part in (voice, rest)]
    if not np.isfinite(loud).all():
        return {}
    return {"dialogue": 0.0, "effects": loud[0] - loud[1] - config.speech_over_rest}


def dip(
    levels: Levels,
    edges: Edges,
    speaks: NDArray[np.bool_],
    stem: Stem,
    base: dict[Stem, float],
    clear: float,
    most: float,
) -> Floats:
    """dB, 0 or under, that keep a stem ``clear`` LU under the speech around each span of speech."""
    voice = levels.energies["dialogue"]
    dips = np.zeros(len(edges) - 1)
    for i in map(int, np.flatnonzero(speaks)):
        first, last = _steps(edges, i)
        low = max(0, first - round(AROUND * STEPS))
        high = last + round(AROUND * STEPS)
        said = voice[low:high][levels.speech[low:high]]
        heard = levels.energies[stem][first:last]
        if not len(said) or not len(heard):
            continue
        speech = float(lufs(said.mean())) + base.get("dialogue", 0.0)
        over = float(lufs(heard.mean())) + base.get(stem, 0.0) - (speech - clear)
        dips[i] = min(0.0, -float(np.clip(over, 0, most)))
    return dips


def _speaks(levels: Levels, edges: Edges) -> NDArray[np.bool_]:
    """Which spans hold speech, or are near enough to it."""
    near = int(np.ceil(LOOK_AHEAD * STEPS))
    wide = np.convolve(levels.speech, np.ones(2 * near + 1), "same") > 0
    if len(wide) > len(levels.speech):  # "same" is as long as the longer of the two
        wide = levels.speech
    return np.array([wide[slice(*_steps(edges, i))].any() for i in range(len(edges) - 1)])


def _steps(edges: Edges, span: int) -> tuple[int, int]:
    first, last = (round(edges[i] * STEPS) for i in (span, span + 1))
    return first, max(last, first + 1)


def _seen_terms(seen: Seen, config: HighlightConfig) -> dict[str, Floats]:
    terms: dict[str, Floats] = {}
    if seen.follows is not None and config.seen_db:
        terms["effects seen"] = config.seen_db * seen.follows
    if seen.follows is not None and seen.close is not None and config.close_db:
        terms["effects close"] = config.close_db * seen.close * np.maximum(0, seen.follows)
    if seen.words is not None and config.words_db:
        terms["effects words"] = config.words_db * seen.words
    return terms


def _common_gain(
    levels: Levels, edges: Edges, stems: Sequence[Stem], terms: dict[str, Floats]
) -> float:
    """dB that make the turned sum as loud as the sum was."""
    steps = max(len(levels.energies[stem]) for stem in stems)
    before, after = np.zeros(steps), np.zeros(steps)
    counts = np.clip([round(edge * STEPS) for edge in edges], 0, steps)
    counts[-1] = steps
    for stem in stems:
        gains = sum(values for name, values in terms.items() if name.startswith(stem))
        gain_db = np.repeat(np.broadcast_to(gains, len(edges) - 1), np.diff(counts))
        energies = np.pad(levels.energies[stem], (0, steps - len(levels.energies[stem])))
        before += energies
        after += energies * 10 ** (gain_db / 10)
    was, is_now = gated(before), gated(after)
    return was - is_now if np.isfinite(was) and np.isfinite(is_now) else 0.0


def _room(gains: Sequence[float], most: float) -> float:
    """dB for all that bring gains within bounds: the balance comes before the loudness, which one
    gain can restore afterwards."""
    low, high = min(gains), max(gains)
    if high - low > 2 * most:
        return -(high + low) / 2
    return min(0.0, most - high) + max(0.0, -most - low)


def _spans(
    edges: Edges,
    stems: Sequence[Stem],
    terms: dict[str, Floats],
    speaks: NDArray[np.bool_],
    config: HighlightConfig,
) -> list[Span]:
    durations = np.array([float(b - a) for a, b in itertools.pairwise(edges)])
    gains: dict[Stem, Floats] = {}
    for stem in stems:
        total = sum(values for name, values in terms.items() if name.startswith(stem))
        bounded = np.clip(total, -config.max_gain_db, config.max_gain_db) * config.strength
        gains[stem] = on_grid(limit_speed(bounded, durations))
    return [
        Span(
            edges[i],
            edges[i + 1],
            {stem: float(gains[stem][i]) for stem in stems},
            {name: float(values[i]) for name, values in terms.items()},
            _reason(i, terms, bool(speaks[i]), config),
        )
        for i in range(len(edges) - 1)
    ]


def finish_spans(
    edges: Edges,
    stems: Sequence[Stem],
    terms: dict[str, Floats],
    config: HighlightConfig,
    reason: str,
) -> list[Span]:
    """Spans of terms that something else than the rule gave, within the same bounds."""
    spans = _spans(edges, stems, terms, np.zeros(len(edges) - 1, bool), config)
    return [replace(span, reason=reason) for span in spans]


def _reason(i: int, terms: dict[str, Floats], speaks: bool, config: HighlightConfig) -> str:
    """In words, what led to a span's gains."""
    said = ["offsets" if any(abs(v[i]) > TOLD for n, v in terms.items() if "base" in n) else ""]
    if speaks:
        dips = [name.split()[0] for name in ("music dip", "effects dip") if _tells(terms, name, i)]
        said.append(f"speech: {' and '.join(dips)} under it" if dips else "speech is clear")
    if _tells(terms, "effects seen", i):
        up = terms["effects seen"][i] > 0
        said.append("effects follow the picture" if up else "effects apart from the picture")
    if _tells(terms, "effects close", i):
        said.append("close-up")
    if _tells(terms, "effects words", i):
        said.append("their words are seen" if terms["effects words"][i] > 0 else "not seen")
    if any(
        abs(sum(v[i] for n, v in terms.items() if n.startswith(stem))) > config.max_gain_db
        for stem in STEMS
    ):
        said.append("at the largest gain")
    return "; ".join(filter(None, said))


def _tells(terms: dict[str, Floats], name: str, i: int) -> bool:
    return name in terms and abs(terms[name][i]) > TOLD
