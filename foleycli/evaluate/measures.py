"""The list of measures: what each is called, which way is better, what it needs, where it is from.

A ``clip`` measure compares one sound with the clip's own and with its picture; a table prints its
mean. A ``set`` measure compares all sounds of a set at once. Names say what a number is:
``fad_yamnet`` is not ``fad_vggish``, and only numbers of one name are comparable. docs/measures.md
tells what each was checked against.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from typing import Literal

from foleycli.errors import UsageError
from foleycli.evaluate import (
    align_acc,
    clap_score,
    divergence,
    hallucination,
    highlight,
    level,
    semantics,
    sync,
    timing,
)
from foleycli.evaluate.av_align import Version, av_align, opencv
from foleycli.evaluate.fad import fad, fd
from foleycli.evaluate.inception import inception_score
from foleycli.evaluate.kid import kid
from foleycli.evaluate.material import Film, Sound
from foleycli.evaluate.onset_precision import onset_precision
from foleycli.listeners.extractors import OPENERS, open_extractor
from foleycli.listeners.heard import Heard

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipMeasure:
    """One number a sound; nan where it is undefined, which a mean leaves out.

    ``compute(own, candidate, film)``: the clip's own sound, the sound to judge (both as long as
    the film), the film.
    """

    name: str
    unit: str = ""  # as a table prints it; empty for a plain number
    better: Better | None = None  # None: a description, not a quality
    needs: tuple[str, ...] = ()  # what `check_needs` looks for
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
    unit: str = ""
    better: Better | None = None
    needs: tuple[str, ...] = ()
    source: str
    compute: Callable[[Sequence[Heard], Sequence[Heard]], float]
    kind: Literal["set"] = "set"


Measure = ClipMeasure | SetMeasure


def _divergences(listener: str) -> tuple[ClipMeasure, ...]:
    """Both forms of KL over a listener's classes."""
    source = "AudioLDM's evaluation: KL(own || candidate)"
    return tuple(
        ClipMeasure(
            name=f"{name}_{listener}",
            unit="nats",
            better="lower",
            needs=(listener,),
            source=f"{source} of {words} over logits",
            compute=lambda own, sound, film, f=function: f(
                own.heard(listener), sound.heard(listener)
            ),
        )
        for name, words, function in (
            ("kl_softmax", "softmax", divergence.kl_softmax),
            ("kl_sigmoid", "sigmoids", divergence.kl_sigmoid),
        )
    )


def _onsets(tolerance_ms: int) -> tuple[ClipMeasure, ...]:
    tolerance = tolerance_ms / 1000
    return (
        ClipMeasure(
            name=f"onset_f1_{tolerance_ms}ms",
            better="higher",
            source="F1 of onsets matched one to one (mir_eval.onset.f_measure)",
            compute=lambda own, sound, film: timing.onset_f1(own.onsets, sound.onsets, tolerance),
        ),
        ClipMeasure(
            name=f"onset_ap_{tolerance_ms}ms",
            better="higher",
            source="average precision of onsets ranked by loudness, after CondFoleyGen",
            compute=lambda own, sound, film: onset_precision(
                own.onsets, sound.onsets, sound.samples, sound.sample_rate, tolerance
            ),
        ),
    )


def _published_precision(tolerance_ms: int) -> ClipMeasure:
    return ClipMeasure(
        name=f"onset_ap_condfoley_{tolerance_ms}ms",
        better="higher",
        source="CondFoleyGen's script (arXiv 2304.08490); silence scores 1",
        compute=lambda own, sound, film: onset_precision(
            own.onsets,
            sound.onsets,
            sound.samples,
            sound.sample_rate,
            tolerance_ms / 1000,
            as_published=True,
        ),
    )


def _av_align(version: Version, frame_rate: int | None = None) -> ClipMeasure:
    """At a frame rate for all films alike, or at each film's own."""

    def compute(own: Sound, sound: Sound, film: Film) -> float:
        rate = Fraction(frame_rate) if frame_rate else None
        ticks = float(rate or film.frame_rate)
        return av_align(sound.librosa_onsets, film.flow(rate), ticks, version)

    return ClipMeasure(
        name=f"av_align_{version}_{f'{frame_rate}fps' if frame_rate else 'native'}",
        better="higher",
        needs=("opencv",),
        source=f"TempoTokens (arXiv 2309.16429), script of {version}; no measure of quality",
        compute=compute,
    )


def _hallucination(name: str, classes: tuple[str, ...]) -> ClipMeasure:
    return ClipMeasure(
        name=f"{name}_hallucination",
        unit="%",
        better="lower",
        needs=("yamnet",),
        source=f"share of clips without {name} whose sound has it, by YAMNet's classes",
        compute=lambda own, sound, film: hallucination.hallucinates(
            own.heard("yamnet"), sound.heard("yamnet"), classes
        ),
    )


def _highlight(name: str, function: Callable, words: str) -> ClipMeasure:
    rate = highlight.SAMPLE_RATE
    return ClipMeasure(
        name=f"visah_{name}",
        better="lower",
        source=f"VisAH (arXiv 2505.12154): {words}",
        compute=lambda own, sound, film: function(own.at(rate), sound.at(rate)),
    )


def _align_acc(judge: str, words: str) -> ClipMeasure:
    return ClipMeasure(
        name="align_acc" if judge == "align" else "align_acc (own classifier)",
        unit="%",
        better="higher",
        needs=(judge,),
        source=f"Diff-Foley (arXiv 2306.17203): share that {words} holds to belong to its picture",
        compute=lambda own, sound, film: align_acc.aligned(judge, sound, film),
    )


def _imagebind(own: Sound, sound: Sound, film: Film) -> float:
    from foleycli.evaluate.imagebind_score import imagebind_score  # opens what pulls models

    return imagebind_score(sound, film)


def _imagebind_delta(own: Sound, sound: Sound, film: Film) -> float:
    from foleycli.evaluate.imagebind_score import imagebind_delta

    return imagebind_delta(own, sound, film)


def _desync(own: Sound, sound: Sound, film: Film) -> float:
    from foleycli.evaluate.desync import desync  # opens what pulls models

    return desync(sound, film)


CLIP_MEASURES = (
    ClipMeasure(
        name="kl",
        unit="nats",
        better="lower",
        needs=("yamnet",),
        source="KL of time-mean YAMNet scores + 1e-4, both at -20 LUFS",
        compute=lambda own, sound, film: semantics.kl(own.distribution, sound.distribution),
    ),
    *_divergences("yamnet"),
    ClipMeasure(
        name="cosy",
        better="higher",
        needs=("yamnet",),
        source="cosine of centred mean YAMNet embeddings, both at -20 LUFS",
        compute=lambda own, sound, film: semantics.cosy(
            own.heard("yamnet").embedding, sound.heard("yamnet").embedding
        ),
    ),
    ClipMeasure(
        name="env",
        better="higher",
        source="correlation of level curves, best lag within 120 ms",
        compute=lambda own, sound, film: timing.env(own.level, sound.level),
    ),
    ClipMeasure(
        name="onf1c",
        better="higher",
        source="onset F1 within 100 ms less its mean over time shifts",
        compute=lambda own, sound, film: timing.onf1c(own.onsets, sound.onsets, own.duration),
    ),
    *_onsets(50),
    *_onsets(100),
    ClipMeasure(
        name="sync_z",
        better="higher",
        source="onsets of sound against those of motion, as a z-score among circular shifts",
        compute=lambda own, sound, film: sync.sync_z(sound.strength, film.motion),
    ),
    _av_align(2025, 12),
    _av_align(2023, 12),
    _align_acc("align", "the public classifier"),
    _align_acc("align-own", "a classifier trained here"),
    ClipMeasure(
        name="desync",
        unit="s",
        better="lower",
        needs=("synchformer",),
        source="Synchformer's offset (arXiv 2401.16423) at both ends, as av-benchmark's DeSync",
        compute=_desync,
    ),
    _hallucination("speech", hallucination.SPEECH),
    _hallucination("music", hallucination.MUSIC),
    ClipMeasure(
        name="loudness",
        unit="LUFS",
        source="ITU-R BS.1770-4, integrated",
        compute=lambda own, sound, film: level.loudness(sound.samples, sound.sample_rate),
    ),
    ClipMeasure(
        name="silence",
        unit="%",
        source="40 ms blocks under -60 dBFS",
        compute=lambda own, sound, film: level.silence(sound.samples, sound.sample_rate),
    ),
    ClipMeasure(
        name="clipping",
        unit="%",
        better="lower",
        source="samples in runs at 16-bit full scale",
        compute=lambda own, sound, film: level.clipping(sound.samples),
    ),
    *_divergences("panns"),
    *_divergences("passt"),
    ClipMeasure(
        name="clap",
        better="higher",
        needs=("clap",),
        source="cosine of sound and words by LAION CLAP (arXiv 2211.06687), as av-benchmark's",
        compute=lambda own, sound, film: clap_score.clap_score(sound.heard("clap"), film.words),
    ),
    ClipMeasure(
        name="clap_audio",
        better="higher",
        needs=("clap",),
        source="cosine of both sounds by LAION CLAP",
        compute=lambda own, sound, film: clap_score.clap_audio(
            own.heard("clap"), sound.heard("clap")
        ),
    ),
    ClipMeasure(
        name="imagebind",
        unit="x100",
        better="higher",
        needs=("imagebind",),
        source="ImageBind's cosine of picture and sound, as av-benchmark's IB-score",
        compute=_imagebind,
    ),
)


def _set_measures(listener: str, *names: str) -> tuple[SetMeasure, ...]:
    return tuple(
        measure for measure in _all_set_measures(listener) if measure.name.split("_")[0] in names
    )


def _all_set_measures(listener: str) -> tuple[SetMeasure, ...]:
    return (
        SetMeasure(
            name=f"fad_{listener}",
            better="lower",
            needs=(listener,),
            source="Frechet distance over patches (arXiv 1812.08466)",
            compute=fad,
        ),
        SetMeasure(
            name=f"fd_{listener}",
            better="lower",
            needs=(listener,),
            source="Frechet distance over sounds, as AudioLDM's evaluation",
            compute=fd,
        ),
        SetMeasure(
            name=f"kid_{listener}",
            unit="e-3",
            better="lower",
            needs=(listener,),
            source="unbiased squared MMD, cubic kernel (arXiv 1801.01401), over sounds",
            compute=kid,
        ),
        SetMeasure(
            name=f"is_{listener}",
            better="higher",
            needs=(listener,),
            source="inception score (arXiv 1606.03498) over the listener's classes",
            compute=inception_score,
        ),
    )


SET_MEASURES = (
    *_set_measures("yamnet", "fad", "fd", "kid", "is"),
    *_set_measures("aisfx", "fad", "fd", "kid"),
    *_set_measures("vggish", "fad"),
    *_set_measures("panns", "fd", "kid", "is"),
    *_set_measures("passt", "fd", "kid", "is"),
    *_set_measures("clap", "fad"),
)

# Asked for by name only: minutes a clip, known to mislead, or for mixes of one and the same sound.
ON_REQUEST = (
    _av_align(2025),
    _av_align(2023),
    _published_precision(50),
    _published_precision(100),
    _highlight("mag", highlight.mag, "mean difference of STFT magnitudes"),
    _highlight("env", highlight.envelope, "RMS difference of Hilbert envelopes"),
    _highlight("wdis", highlight.w_dis, "Wasserstein distance of sample values"),
    ClipMeasure(
        name="imagebind_delta",
        unit="x100",
        better="lower",
        needs=("imagebind",),
        source="VisAH's delta IB: how far that score is from the own sound's",
        compute=_imagebind_delta,
    ),
)

MEASURES: tuple[Measure, ...] = (*CLIP_MEASURES, *SET_MEASURES, *ON_REQUEST)


def find_measure(name: str) -> Measure:
    """The measure of that name.

    Raises:
        UsageError: there is none; the remedy lists those there are.
    """
    for measure in MEASURES:
        if measure.name == name:
            return measure
    names = [measure.name for measure in MEASURES]
    near = get_close_matches(name, names, cutoff=0.5)
    remedy = f"Like it: {', '.join(near)}. All: " if near else "Known: "
    raise UsageError(f"There is no measure named {name!r}.", f"{remedy}{', '.join(names)}.")


def check_needs(measure: Measure) -> None:
    """Open what a measure needs: listeners, OpenCV, classifiers.

    Raises:
        ModelError: it is not here; the remedy says how it comes.
    """
    for name in measure.needs:
        if name in OPENERS:
            open_extractor(name)
        elif name == "opencv":
            opencv()
        elif name == "synchformer":
            from foleycli.evaluate.desync import open_judge

            open_judge()
        else:
            align_acc.open_judge(name)
