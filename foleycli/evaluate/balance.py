"""``foley eval highlight``: how much of a spoiled balance is mended; beside it, what must lose.

Every output is brought to the loudness of the true mix first, as a delivery sheet would state it;
so what is measured is the balance, and plain loudness normalisation is a control.
"""

import csv
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

import ffmpeg
import numpy as np
import soundfile
from numpy.typing import NDArray

from foleycli.config import HIGHLIGHT, HighlightConfig
from foleycli.errors import MediaError, UsageError
from foleycli.evaluate.highlight import envelope, mag, w_dis
from foleycli.evaluate.interval import bootstrap
from foleycli.highlight.curves import STEMS, Span, Stem
from foleycli.highlight.highlight import is_voice_alone, rule_gains
from foleycli.highlight.levels import hear_stems, lufs
from foleycli.highlight.muddy import block_loudness
from foleycli.highlight.picture import Motion, read_motion, seen_effects
from foleycli.highlight.remix import Remix
from foleycli.highlight.rule import Seen, balance, second_edges
from foleycli.highlight.separate import SEPARATORS, Separator, find_separator, separate
from foleycli.highlight.stems import Stems, stems_of
from foleycli.mux.ffmpeg import input_path, run_ffmpeg
from foleycli.output import atomic_output, make_folder, scratch_folder
from foleycli.waveform.loudness import from_db

RATE = 44_100  # Hz of the measures
SEEN_DB = 3.0  # of the picture's term where it is off by default
QUIET = -70.0  # LUFS of a second in which a stem's gain does not matter
VOICE_KNOWN = "voice-known"
Sound = NDArray[np.float32]
Gains = NDArray[np.float64]
LEVELS = ((6, "low"), (9, "moderate"), (12, "high"))  # dB that the loudest was turned down


@dataclass(frozen=True, slots=True)
class Case:
    """A spoiled mix whose true balance is known."""

    name: str
    folder: Path
    clip: Path | None
    start: float  # seconds into the clip
    level: str
    highlight: Stem
    true_db: dict[Stem, Gains]  # gain of each second that mends it


@dataclass(frozen=True, slots=True)
class Score:
    """What one way made of one case."""

    method: str
    case: str
    level: str
    highlight: Stem
    mag: float
    env: float
    w_dis: float
    mag_removed: float  # share of the input's error, at the same loudness
    env_removed: float
    gain_error: float  # mean |dB| over the seconds in which a stem sounds; nan where not known
    seconds: float  # of work
    kld: float = float("nan")  # PaSST's classes against the true mix's; nan where it is not pulled
    ib: float = float("nan")  # how far ImageBind's score is from the true mix's, likewise


def read_cases(folder: Path) -> list[Case]:
    """The table that ``foley data muddy`` wrote.

    Raises:
        MediaError: it is not there or cannot be read.
    """
    try:
        with (folder / "muddy.csv").open(newline="", encoding="utf-8") as file:
            return [_case(folder, row) for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MediaError(
            f"{folder} holds no muddy mixes: {error}.", "Make them with foley data muddy."
        ) from error


def _case(folder: Path, row: dict[str, str]) -> Case:
    seconds = max(1, round(float(row["seconds"])))
    every = float(row["every"] or 0)
    true_db = {}
    for stem in STEMS:
        gains = np.array(row[f"{stem}_gains_db"].split(), np.float64)
        places = (np.arange(seconds) / every).astype(int) if every else np.zeros(seconds, int)
        true_db[stem] = -gains[np.minimum(places, len(gains) - 1)]
    changes = [abs(float(row[f"{stem}_change_db"])) for stem in STEMS if stem == row["loudest"]]
    level = min(LEVELS, key=lambda pair: abs(pair[0] - changes[0]))[1]
    clip = Path(row["clip"]) if row["clip"] else None
    return Case(
        row["name"],
        folder / row["name"],
        clip,
        float(row["start"]),
        level,
        row["highlight"],
        true_db,
    )


Spans = Sequence[Span]


def judge(
    cases: Sequence[Case],
    methods: Sequence[str],
    config: HighlightConfig = HIGHLIGHT,
    learned: Path | None = None,
    told: Callable[[int], None] = lambda done: None,
    sounds: Path | None = None,
) -> list[Score]:
    """Every method on every case.

    Args:
        sounds: a folder for what the methods made, the true mixes and the pictures, to be ranked
            by ear (`foley eval study rank`).

    Raises:
        UsageError: a method is not known.
    """
    scores: list[Score] = []
    listens = pulled()
    for number, case in enumerate(cases, 1):
        other = cases[number % len(cases)]
        target = _read(case.folder / "target.wav")
        spoiled = _read(case.folder / "input.wav")
        even = at_loudness(spoiled, block_loudness(target, RATE))
        errors = mag(target, even), envelope(target, even)
        with scratch_folder() as room:
            for method in methods:
                begin = time.perf_counter()
                sound, spans, gain_db = _mend(
                    method, case, other, spoiled, target, config, learned, room
                )
                spent = time.perf_counter() - begin
                if sounds:
                    _keep(sounds / method.replace(":", "-"), case, sound)
                score = _score(method, case, target, sound, spans, gain_db, errors, spent)
                scores.append(replace(score, **_listened(listens, case, target, sound)))
        if sounds:
            _keep(sounds / "original", case, target)
            _keep_picture(sounds / "clips", case, len(target) / RATE)
        told(number)
    return scores


def _keep(folder: Path, case: Case, sound: Sound) -> None:
    make_folder(folder)
    soundfile.write(folder / f"{case.name}.wav", sound, RATE, "FLOAT")


def _keep_picture(folder: Path, case: Case, seconds: float) -> None:
    """The stretch of the film that a case is of."""
    if case.clip is None or not case.clip.is_file():
        return
    make_folder(folder)
    film = ffmpeg.input(input_path(case.clip), ss=case.start, t=seconds).video
    options = {"c:v": "libx264", "preset": "veryfast", "crf": 20, "pix_fmt": "yuv420p"}
    out = ffmpeg.output(film, str(folder / f"{case.name}.mp4"), **options)
    run_ffmpeg(out.overwrite_output(), f"cut {case.clip.name}")


def pulled() -> tuple[str, ...]:
    """Which of the paper's two networks are here: ``kld`` asks PaSST, ``ib`` ImageBind."""
    from foleycli.models.registry import find_model

    needs = {"kld": "eval-passt", "ib": "eval-imagebind"}
    return tuple(name for name, model in needs.items() if find_model(model).installed)


def _listened(listens: Sequence[str], case: Case, target: Sound, sound: Sound) -> dict[str, float]:
    """The paper's numbers that need networks, of those that are here.

    KLD: softmax of PaSST's logits, the true mix against the sound (arXiv 2505.12154). IB: the size
    of the difference between both scores with the picture, which the whole clip gives.
    """
    if not listens:
        return {}
    from foleycli.evaluate.divergence import kl_softmax
    from foleycli.evaluate.imagebind_score import imagebind_delta
    from foleycli.evaluate.material import Film
    from foleycli.evaluate.material import Sound as Heard

    true, made = Heard(target, RATE), Heard(sound, RATE)
    found = {}
    if "kld" in listens:
        found["kld"] = kl_softmax(true.heard("passt"), made.heard("passt"))
    if "ib" in listens and case.clip is not None and case.clip.is_file():
        found["ib"] = imagebind_delta(true, made, Film(case.clip))
    return found


def _mend(
    method: str,
    case: Case,
    other: Case,
    spoiled: Sound,
    target: Sound,
    config: HighlightConfig,
    learned: Path | None,
    room: Path,
) -> tuple[Sound, Spans | None, float]:
    """What a method makes of a case, at the target's loudness, its gains, and that one gain."""
    if method == "input":
        return spoiled, _flat(case), 0.0
    wanted = block_loudness(target, RATE)
    if method == "loudness":
        even = at_loudness(spoiled, wanted)
        return even, _flat(case), wanted - block_loudness(spoiled, RATE)
    stems = stems_of({stem: case.folder / f"{stem}.wav" for stem in STEMS}, len(spoiled))
    by = _separator(method)
    if method == VOICE_KNOWN:
        stems = _voice_known(case, room)
    elif by:
        mix = stems_of({"effects": case.folder / "input.wav"}, len(spoiled))
        own = room / by.name
        own.mkdir()
        stems = separate(mix, "effects", own, by)
    spans = _gains(method, case, other, stems, config, learned, by)
    mixed = np.concatenate([block[:, 0] for block in Remix.of(stems, spans).mix()])
    gain_db = wanted - block_loudness(mixed, RATE)
    sound = mixed * from_db(gain_db) if np.isfinite(gain_db) else mixed
    sound = sound.astype(np.float32)
    return sound, None if by else spans, gain_db


def _separator(method: str) -> Separator | None:
    """What takes the mix apart in a method: ``mix``, ``mix:rnnoise``, or the voice as it is."""
    name, _, said = method.partition(":")
    if method == VOICE_KNOWN:  # what no separator of voice can pass
        return replace(
            next(one for one in SEPARATORS if len(one.parts) == 2), most_db=np.inf, most_alike=1.0
        )
    return find_separator(said or None) if name == "mix" else None


def _voice_known(case: Case, room: Path) -> Stems:
    """The voice as it is in the mix, and all the rest as one."""
    rest = _read(case.folder / "music.wav") + _read(case.folder / "effects.wav")
    soundfile.write(room / "rest.wav", rest, RATE, "FLOAT")
    files = {"dialogue": case.folder / "dialogue.wav", "effects": room / "rest.wav"}
    return stems_of(files, len(rest))


def _gains(
    method: str,
    case: Case,
    other: Case,
    stems: Stems,
    config: HighlightConfig,
    learned: Path | None,
    by: Separator | None,
) -> Spans:
    edges = second_edges(stems.duration)
    if method == "learned":
        from foleycli.highlight.learned import LearnedBalance

        if learned is None:
            raise UsageError("Nothing was learned.", "Give --learned FOLDER.")
        return LearnedBalance.open(learned).spans(stems, _motion(case, len(edges)))
    if method == "base":
        plain = replace(config, dip_db=0.0, seen_db=0.0)
        return balance(hear_stems(stems), edges, plain)
    if method == "rule" or by:
        levels = hear_stems(stems, alike=is_voice_alone(by))
        return rule_gains(levels, edges, config, by=by)
    if method in ("picture", "picture-other", "picture-reversed"):
        motion = _motion(other if method == "picture-other" else case, len(edges))
        if motion is not None and method == "picture-reversed":
            motion = motion.reversed()
        levels = hear_stems(stems, onsets=("effects",))
        led = replace(config, seen_db=config.seen_db or SEEN_DB)
        seen = seen_effects(levels, motion, edges) if motion is not None else None
        return balance(levels, edges, led, seen)
    if method in ("words", "words-other"):
        from foleycli.highlight.words import find_words

        clip = (other if method == "words-other" else case).clip
        led = replace(config, words_db=config.words_db or SEEN_DB)
        there = clip is not None and clip.is_file()
        words = find_words(clip, stems, edges, config.named) if clip and there else None
        return balance(hear_stems(stems), edges, led, Seen(words=words))
    raise UsageError(f"{method} is not known.", f"Give {', '.join(METHODS)}.")


CONTROLS = (  # a method, and what it must beat by its gains
    ("base", "loudness"),
    ("rule", "base"),
    *(("picture", control) for control in ("rule", "picture-other", "picture-reversed")),
    *(("words", control) for control in ("rule", "words-other")),
    ("learned", "rule"),
)
METHODS = (
    *("input", "loudness", "base", "rule", "picture", "picture-other", "picture-reversed"),
    *(
        "words",
        "words-other",
        "learned",
        "mix",
        VOICE_KNOWN,
        *(f"mix:{one.name}" for one in SEPARATORS),
    ),
)


def _motion(case: Case, seconds: int) -> Motion | None:
    if case.clip is None or not case.clip.is_file():
        return None
    return read_motion(case.clip).part(case.start, case.start + seconds)


def _flat(case: Case) -> Spans:
    count = len(next(iter(case.true_db.values())))
    return [Span(Fraction(i), Fraction(i + 1), dict.fromkeys(STEMS, 0.0), {}) for i in range(count)]


def _score(
    method: str,
    case: Case,
    target: Sound,
    sound: Sound,
    spans: Spans | None,
    gain_db: float,
    errors: tuple[float, float],
    spent: float,
) -> Score:
    found = mag(target, sound), envelope(target, sound)
    removed = [
        1 - one / before if before > 0 else 0.0 for one, before in zip(found, errors, strict=True)
    ]
    error = float("nan") if spans is None else gain_error(case, spans, gain_db)
    return Score(
        method=method,
        case=case.name,
        level=case.level,
        highlight=case.highlight,
        mag=found[0],
        env=found[1],
        w_dis=w_dis(target, sound),
        mag_removed=removed[0],
        env_removed=removed[1],
        gain_error=error,
        seconds=spent,
    )


def gain_error(case: Case, spans: Spans, gain_db: float) -> float:
    """Mean |dB| off the gains that mend a case, over the seconds in which a stem sounds."""
    errors = []
    for stem in STEMS:
        sound = _read(case.folder / f"{stem}.wav")
        for i, (span, true) in enumerate(zip(spans, case.true_db[stem], strict=False)):
            second = sound[i * RATE : (i + 1) * RATE]
            if not len(second) or lufs(float(np.mean(second**2))) < QUIET:
                continue
            errors.append(abs(span.gains_db.get(stem, 0.0) + gain_db - true))
    return float(np.mean(errors)) if errors else 0.0


def at_loudness(sound: Sound, wanted: float) -> Sound:
    """A sound brought to a loudness by one gain; silence stays."""
    gain_db = wanted - block_loudness(sound, RATE)
    return (sound * from_db(gain_db)).astype(np.float32) if np.isfinite(gain_db) else sound


def _read(path: Path) -> Sound:
    return np.asarray(soundfile.read(str(path), dtype="float32")[0], np.float32)


def summarise(scores: Sequence[Score]) -> list[dict[str, object]]:
    """A row a method: means over cases, with the 95 % interval of the gain error."""
    rows = []
    for method in dict.fromkeys(score.method for score in scores):
        mine = [score for score in scores if score.method == method]
        errors = np.array([score.gain_error for score in mine])
        row: dict[str, object] = {"method": method, "cases": len(mine)}
        for name in ("mag", "env", "w_dis", "gain_error", "seconds"):
            row[name] = float(np.mean([getattr(score, name) for score in mine]))
        for name in ("kld", "ib"):
            known = [getattr(s, name) for s in mine if np.isfinite(getattr(s, name))]
            if known:
                row[name] = float(np.mean(known))
        row["mag_removed"] = 1 - _total(mine, "mag") / _input(scores, mine, "mag")
        row["env_removed"] = 1 - _total(mine, "env") / _input(scores, mine, "env")
        row["worse"] = sum(score.mag_removed < -0.01 for score in mine)
        if np.isfinite(errors).all():
            _, row["gain_error_low"], row["gain_error_high"] = bootstrap(errors)
        for level in dict.fromkeys(score.level for score in mine):
            part = [score for score in mine if score.level == level]
            row[f"mag_removed_{level}"] = float(np.mean([s.mag_removed for s in part]))
            row[f"gain_error_{level}"] = float(np.mean([s.gain_error for s in part]))
        for stem in STEMS:
            part = [score for score in mine if score.highlight == stem]
            if part:
                row[f"mag_removed_{stem}_raised"] = float(np.mean([s.mag_removed for s in part]))
        rows.append(row)
    return rows


def differences(scores: Sequence[Score], one: str, other: str) -> dict[str, object]:
    """How much smaller a method's gain error is than another's, case by case, with its interval."""
    by = {(s.method, s.case): s.gain_error for s in scores}
    names = [s.case for s in scores if s.method == one and (other, s.case) in by]
    gaps = np.array([by[other, name] - by[one, name] for name in names])
    mean, low, high = bootstrap(gaps)
    return {"better": one, "than": other, "by_db": mean, "low": low, "high": high}


def against_controls(scores: Sequence[Score]) -> list[dict[str, object]]:
    """`differences` of every method whose control is there, too."""
    there = {score.method for score in scores}
    return [differences(scores, *pair) for pair in CONTROLS if there >= set(pair)]


def _total(scores: Sequence[Score], name: str) -> float:
    return float(np.sum([getattr(score, name) for score in scores]))


def _input(scores: Sequence[Score], mine: Sequence[Score], name: str) -> float:
    """The error at the input's own balance, at the target's loudness."""
    plain = [score for score in scores if score.method == "loudness"]
    return max(_total(plain or mine, name), 1e-12)


def write_scores(path: Path, scores: Sequence[Score]) -> None:
    """Every score as JSON lines, without what is not known."""
    with atomic_output(path, overwrite=True) as beside:
        known = ({k: v for k, v in asdict(s).items() if v == v} for s in scores)  # nan is not
        beside.write_text("".join(json.dumps(row) + "\n" for row in known), encoding="utf-8")
