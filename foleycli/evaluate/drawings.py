"""Pictures of a run: a clip's sounds under its film strip, and gains by category.

Figures 4 and 5 of arXiv 2507.02271, drawn for any run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from foleycli.clip.probe import probe
from foleycli.config import MEL
from foleycli.errors import MediaError, UsageError
from foleycli.evaluate.clipset import Example
from foleycli.evaluate.contestants import FULL
from foleycli.evaluate.measures import find_measure
from foleycli.evaluate.plan import Plan
from foleycli.evaluate.results import Estimate, Results
from foleycli.evaluate.sync import CURVE_RATE, motion_curve
from foleycli.evaluate.table import SEEN, number
from foleycli.evaluate.timing import find_onsets, onset_strength
from foleycli.frames.decode import decode_pictures
from foleycli.frames.windows import clip_window, crop_for
from foleycli.output import atomic_output
from foleycli.waveform.mel import log_mel
from foleycli.waveform.sound import at_loudness, read_sound

WIDTH = 13.0  # inches
LABELS = 1.5  # inches left of the pictures
STRIP = 0.95  # inches, the height of the film strip
INK, QUIET, OWN, OURS, MARK = "#1d2129", "#6b7280", "#475569", "#2563eb", "#e8590c"
GAIN, LOSS = "#0f9d58", "#d9480f"
COLUMNS = 1200  # of a waveform's outline


@dataclass(frozen=True, slots=True)
class Strip:
    """Pictures of a clip as they are seen, four a second."""

    frames: list[NDArray[np.uint8]]  # (224, 224, 3)
    duration: float  # seconds
    aspect: float  # width / height of what is seen


def see_strip(example: Example, variant: str, plan: Plan) -> Strip:
    """What models saw of a clip."""
    film = probe(example.clip)
    crop, width, height = None, film.width, film.height
    if variant != FULL:
        view = clip_window(variant, film, example.id, plan.cinematic)
        across, down = view.size_share
        crop, width, height = crop_for(film, view), width * across, height * down
    frames, end = [], 0.0
    for picture in decode_pictures(film, crop=crop):
        end = float(picture.end)
        if picture.rgb is not None:
            frames += [picture.rgb] * picture.repeats
    return Strip(frames, end, float(width * film.pixel_aspect / height))


def draw_comparison(
    plan: Plan,
    example: Example,
    variant: str,
    models: Sequence[str] | None,
    out: Path,
    *,
    overwrite: bool = False,
) -> None:
    """Draw a clip's film strip above the own sound and the first take of each model.

    Onsets of the own sound run through all rows: a sound that belongs there begins there.

    Args:
        models: names of the run; all when None.

    Raises:
        UsageError: the run has no such model or variant.
        MediaError: a sound is missing.
    """
    plan.check_variant(variant)
    names = [c.name for c in plan.contestants] if models is None else models
    sounds = [("own sound", example.clip)]
    sounds += [(n, plan.sounds(plan.contestant(n), variant, example)[0]) for n in names]
    missing = [name for name, path in sounds if not path.is_file()]
    if missing:
        raise MediaError(
            f"{missing[0]} has no sound for {example.id} yet.", "Let `foley eval run` finish."
        )
    strip = see_strip(example, variant, plan)
    with atomic_output(out, overwrite=overwrite) as beside:
        title = f"{example.id} – {example.prompt or example.label}, {SEEN[variant].lower()}"
        _comparison(strip, sounds, example.clip, title).savefig(beside, dpi=110, format="png")


def draw_categories(
    results: Results,
    variant: str,
    pair: tuple[str, str],
    measure: str,
    top: int,
    out: Path,
    *,
    overwrite: bool = False,
) -> None:
    """Draw a measure of two models in the categories where the first gains most over the second.

    Raises:
        UsageError: the measure is of whole sets, or the clips have no categories.
    """
    found = find_measure(measure)
    name, base = pair
    gains = dict(list(results.by_category(variant, name, base, found).items())[:top])
    if not gains or set(gains) == {""}:
        raise UsageError(
            "The clips of this run have no labels.", "Give the set's CSV a column label."
        )
    labels = np.array(results.labels)
    both = [results.values(variant, row, measure) for row in (base, name)]
    means = {label: [float(np.nanmean(v[labels == label])) for v in both] for label in gains}
    overall = [results.estimate(variant, row, found).value for row in (base, name)]
    sign = -1 if found.better == "lower" else 1
    title = f"{measure} by category, {SEEN[variant].lower()}: {name} against {base}"
    figure = _categories(gains, means, overall, pair, title, sign)
    with atomic_output(out, overwrite=overwrite) as beside:
        figure.savefig(beside, dpi=110, format="png")


def _comparison(strip: Strip, sounds: Sequence[tuple[str, Path]], film: Path, title: str) -> Figure:
    matplotlib.use("Agg")
    heights = [STRIP, *[0.42, 0.85] * len(sounds), 0.5]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.11 * len(heights) + 0.8))
    axes = figure.subplots(
        len(heights), 1, gridspec_kw={"height_ratios": heights, "hspace": 0.06}, sharex=True
    )
    height = figure.get_figheight()
    figure.subplots_adjust(
        left=LABELS / WIDTH, right=0.99, top=1 - 0.4 / height, bottom=0.42 / height
    )
    figure.suptitle(title, x=0.01, y=1 - 0.1 / height, ha="left", va="top", color=INK, fontsize=12)
    own = at_loudness(read_sound(sounds[0][1]))
    onsets = [t for t in find_onsets(onset_strength(own)) if t < strip.duration]
    _draw_strip(axes[0], strip)
    for row, (name, path) in enumerate(sounds):
        samples = at_loudness(read_sound(path, MEL.sample_rate), sample_rate=MEL.sample_rate)
        samples = samples[: round(strip.duration * MEL.sample_rate)]
        _draw_outline(axes[1 + 2 * row], samples, OURS if row else OWN)
        _draw_mel(axes[2 + 2 * row], samples)
        _name_row(axes[1 + 2 * row], name, "", bold=not row)
        for axis in axes[1 + 2 * row : 3 + 2 * row]:
            _mark(axis, onsets)
    _draw_motion(axes[-1], film, onsets)
    for axis in axes:
        axis.set_xlim(0, strip.duration)
        for side in axis.spines.values():
            side.set_visible(False)
    for axis in axes[:-1]:
        axis.tick_params(bottom=False)
    axes[-1].set_xlabel("seconds   (orange: onsets of the own sound)", color=QUIET, fontsize=9)
    return figure


def _draw_strip(axis: Axes, strip: Strip) -> None:
    room = WIDTH * 0.99 - LABELS
    count = max(2, min(len(strip.frames), round(room / (STRIP * strip.aspect))))
    step = strip.duration / count
    for i in range(count):
        at = min(len(strip.frames) - 1, int((i + 0.5) * step * 4))
        shown = Image.fromarray(strip.frames[at]).resize((round(224 * strip.aspect), 224))
        axis.imshow(np.asarray(shown), extent=(i * step, (i + 0.985) * step, 0, 1), aspect="auto")
    axis.set(yticks=[], ylim=(0, 1))
    _name_row(axis, "seen", "", bold=False)


def _draw_outline(axis: Axes, samples: NDArray[np.float32], color: str) -> None:
    parts = np.array_split(samples, min(COLUMNS, max(1, len(samples))))
    high = np.array([part.max(initial=0) for part in parts])
    low = np.array([part.min(initial=0) for part in parts])
    times = (np.arange(len(parts)) + 0.5) * len(samples) / len(parts) / MEL.sample_rate
    largest = max(float(high.max(initial=0)), -float(low.min(initial=0)), 0.05)
    axis.fill_between(times, low, high, color=color, linewidth=0.3)
    axis.set(ylim=(-largest, largest), yticks=[])


def _draw_mel(axis: Axes, samples: NDArray[np.float32]) -> None:
    mel = log_mel(torch.from_numpy(samples.astype(np.float32)), MEL).numpy()
    end = len(samples) / MEL.sample_rate
    axis.imshow(mel, origin="lower", aspect="auto", extent=(0, end, 0, len(mel)), cmap="magma",
                vmin=0.05, vmax=0.85)  # fmt: skip
    axis.set(yticks=[])
    axis.set_facecolor("black")


def _draw_motion(axis: Axes, film: Path, onsets: Sequence[float]) -> None:
    curve = motion_curve(film)
    times = np.arange(len(curve)) / CURVE_RATE
    axis.fill_between(times, 0, curve / max(float(curve.max(initial=0)), 1e-9), color="#94a3b8")
    axis.set(ylim=(0, 1.05), yticks=[])
    _name_row(axis, "motion", "onsets, whole picture", bold=False)
    _mark(axis, onsets)
    axis.tick_params(colors=QUIET, labelsize=9)


def _mark(axis: Axes, onsets: Sequence[float]) -> None:
    for onset in onsets:
        axis.axvline(onset, color=MARK, linewidth=0.8, alpha=0.75)


def _name_row(axis: Axes, name: str, note: str, *, bold: bool) -> None:
    axis.annotate(name, (0, 0.5), xytext=(-8, 5 if note else 0), textcoords="offset points",
                  xycoords="axes fraction", ha="right", va="center", color=INK, fontsize=10,
                  fontweight="bold" if bold else "normal", annotation_clip=False)  # fmt: skip
    if note:
        axis.annotate(note, (0, 0.5), xytext=(-8, -8), textcoords="offset points",
                      xycoords="axes fraction", ha="right", va="center", color=QUIET,
                      fontsize=7.5, annotation_clip=False)  # fmt: skip


def _categories(
    gains: dict[str, Estimate],
    means: dict[str, list[float]],
    overall: Sequence[float],
    pair: tuple[str, str],
    title: str,
    sign: int,
) -> Figure:
    matplotlib.use("Agg")
    height = 0.34 * len(gains) + 1.5
    figure = Figure(figsize=(10, height), layout="constrained")
    axis = figure.subplots()
    for row, (label, gain) in enumerate(gains.items()):
        before, after = means[label]
        color = GAIN if sign * gain.value > 0 else LOSS
        axis.plot([before, after], [row, row], color=color, linewidth=3, alpha=0.55, zorder=2)
        axis.scatter([before], [row], s=42, color="white", edgecolor=OWN, linewidth=1.6, zorder=3)
        axis.scatter([after], [row], s=46, color=color, zorder=4)
        axis.annotate(_told(gain), (1.01, row), xycoords=("axes fraction", "data"), va="center",
                      fontsize=8.5, color=INK if gain.differs else QUIET)  # fmt: skip
    for value, style, color in zip(overall, ((0, (2, 2)), (0, (6, 2))), (OWN, OURS), strict=True):
        axis.axvline(value, linestyle=style, linewidth=1.1, color=color, zorder=1)
    base, name = (number(value) for value in overall)
    axis.set_title(title, loc="left", fontsize=12, color=INK, pad=26)
    axis.annotate(
        f"○ {pair[1]}: {base} over all clips (dotted)    ● {pair[0]}: {name} (dashed)    "
        "green: better    right: change [95 %], clips",
        (0, 1), xycoords="axes fraction", xytext=(0, 8), textcoords="offset points",
        fontsize=9, color=QUIET,
    )  # fmt: skip
    axis.set_yticks(range(len(gains)), [label.replace("_", " ") or "–" for label in gains])
    axis.set_ylim(len(gains) - 0.4, -0.6)
    axis.grid(axis="x", color="#e5e7eb", linewidth=0.8)
    axis.tick_params(length=0, labelsize=9, colors=INK)
    for side in axis.spines.values():
        side.set_visible(False)
    return figure


def _told(gain: Estimate) -> str:
    text = f"{gain.value:+.2f}"
    if not np.isnan(gain.low):
        text += f" [{gain.low:+.2f}, {gain.high:+.2f}]"
    return f"{text}, n = {gain.clips}"
