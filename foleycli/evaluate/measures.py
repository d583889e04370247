"""The list of measures: what each is called, which way is better, what it needs, where it is from.

A ``clip`` measure compares one sound with the clip's own and with its picture; a table prints its
mean. A ``set`` measure compares all sounds of a set at once. Names say what a number is:
``fad_yamnet`` is not ``fad_vggish``, and only numbers of one name are comparable.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from foleycli.errors import UsageError
from foleycli.evaluate import semantics, sync, timing
from foleycli.evaluate.extractors import open_extractor
from foleycli.evaluate.fad import fad, fd
from foleycli.evaluate.heard import Heard
from foleycli.evaluate.material import Film, Sound

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipMeasure:
    """One number a sound; nan where it is undefined, which a mean leaves out.

    ``compute(own, candidate, film)``: the clip's own sound, the sound to judge (both as long as
    the film), the film.
    """

    name: str
    unit: str  # as a table prints it; empty for a plain number
    better: Better | None  # None: a description, not a quality
    needs: tuple[str, ...]  # names for `open_extractor`
    source: str  # of the definition
    compute: Callable[[Sound, Sound, Film], float]
    kind: Literal["clip"] = "clip"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMeasure:
    """One number a set of sounds.

    ``compute(own, candidate)``: what the one extractor in ``needs`` heard in the clips' own
    sounds and in the sounds to judge; two sequences, which need not be of one length.
    """

    name: str
    unit: str
    better: Better | None
    needs: tuple[str, ...]
    source: str
    compute: Callable[[Sequence[Heard], Sequence[Heard]], float]
    kind: Literal["set"] = "set"


Measure = ClipMeasure | SetMeasure

CLIP_MEASURES = (
    ClipMeasure(
        name="kl",
        unit="nats",
        better="lower",
        needs=("yamnet",),
        source="KL of time-mean YAMNet scores + 1e-4, both at -20 LUFS",
        compute=lambda own, sound, film: semantics.kl(own.distribution, sound.distribution),
    ),
    ClipMeasure(
        name="cosy",
        unit="",
        better="higher",
        needs=("yamnet",),
        source="cosine of centred mean YAMNet embeddings, both at -20 LUFS",
        compute=lambda own, sound, film: semantics.cosy(
            own.heard("yamnet").embedding, sound.heard("yamnet").embedding
        ),
    ),
    ClipMeasure(
        name="env",
        unit="",
        better="higher",
        needs=(),
        source="correlation of level curves, best lag within 120 ms",
        compute=lambda own, sound, film: timing.env(own.level, sound.level),
    ),
    ClipMeasure(
        name="onf1c",
        unit="",
        better="higher",
        needs=(),
        source="onset F1 within 100 ms less its mean over time shifts",
        compute=lambda own, sound, film: timing.onf1c(own.onsets, sound.onsets, own.duration),
    ),
    ClipMeasure(
        name="sync_z",
        unit="",
        better="higher",
        needs=(),
        source="z-score against circular shifts",
        compute=lambda own, sound, film: sync.sync_z(sound.strength, film.motion),
    ),
)

SET_MEASURES = (
    SetMeasure(
        name="fad_yamnet",
        unit="",
        better="lower",
        needs=("yamnet",),
        source="Frechet distance over patches",
        compute=fad,
    ),
    SetMeasure(
        name="fd_yamnet",
        unit="",
        better="lower",
        needs=("yamnet",),
        source="Frechet distance over sounds",
        compute=fd,
    ),
)

MEASURES: tuple[Measure, ...] = (*CLIP_MEASURES, *SET_MEASURES)


def find_measure(name: str) -> Measure:
    """The measure of that name.

    Raises:
        UsageError: there is none; the remedy lists those there are.
    """
    for measure in MEASURES:
        if measure.name == name:
            return measure
    known = ", ".join(measure.name for measure in MEASURES)
    raise UsageError(f"There is no measure named {name!r}.", f"Known: {known}.")


def check_needs(measure: Measure) -> None:
    """Open what a measure needs.

    Raises:
        ModelError: it is not here; the remedy says how it comes.
    """
    for name in measure.needs:
        open_extractor(name)
