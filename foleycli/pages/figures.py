"""Pictures of sound a person would rather look at than read."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from foleycli.clip.probe import probe
from foleycli.evaluate.sync import CURVE_RATE, motion_curve, strength_curve
from foleycli.evaluate.timing import onset_strength
from foleycli.frames.decode import decode_pictures
from foleycli.spot.cues import Cue
from foleycli.waveform.sound import read_sound

STRIP = 10  # pictures in the film strip
FLOOR_DB = -80.0  # of the spectrogram, under its loudest point
RATE = 48_000  # Hz


def contact_sheet(
    clip: Path,
    sounds: Sequence[tuple[str, Path]],
    cues: Sequence[Cue],
    out: Path,
    *,
    motion: bool = False,
) -> None:
    """Draw a clip's pictures above the waveform and spectrogram of each sound, cues marked.

    Args:
        sounds: (name, file) of each sound to compare, a video's own soundtrack included.
        cues: hits are drawn as lines, beds as bars.
        out: PNG to write.
        motion: also draw onsets of sound against those of motion.
    """
    matplotlib.use("Agg")
    figure = Figure(figsize=(14, 2.2 + 2.6 * len(sounds)), layout="constrained")
    heights = [1.3, *[0.7, 1.5] * len(sounds), *[0.9] * motion]
    axes = figure.subplots(len(heights), 1, gridspec_kw={"height_ratios": heights})
    duration = _draw_strip(axes[0], clip)
    for i, (name, file) in enumerate(sounds):
        samples = read_sound(file, RATE)
        _draw_waveform(axes[1 + 2 * i], samples, name, duration)
        _draw_spectrogram(axes[2 + 2 * i], samples, duration)
        for axis in axes[1 + 2 * i : 3 + 2 * i]:
            _mark_cues(axis, cues)
    if motion:
        _draw_motion(axes[-1], clip, sounds, duration)
    axes[-1].set_xlabel("seconds")
    figure.savefig(out, dpi=80)


def _draw_strip(axis: Axes, path: Path) -> float:
    pictures, end = [], Fraction(0)
    for picture in decode_pictures(probe(path)):
        end = picture.end
        if picture.rgb is not None:
            pictures.append(picture.rgb)
    chosen = np.linspace(0, len(pictures) - 1, min(STRIP, len(pictures))).round().astype(int)
    strip = np.concatenate([pictures[i] for i in chosen], axis=1)
    axis.imshow(strip, aspect="auto", extent=(0, float(end), 0, 1))
    axis.set(title=_drawn(path.name), yticks=[], xlim=(0, float(end)))
    return float(end)


def _drawn(name: str) -> str:
    """A file's name as matplotlib draws it: bytes that are no UTF-8 become question marks."""
    return name.encode("utf-8", "replace").decode()


def _draw_waveform(axis: Axes, samples: NDArray[np.float32], name: str, duration: float) -> None:
    times = np.arange(len(samples)) / RATE
    axis.plot(times[::8], samples[::8], linewidth=0.4, color="tab:blue")
    axis.set(xlim=(0, duration), ylim=(-1, 1), ylabel=_drawn(name), xticks=[])


def _draw_spectrogram(axis: Axes, samples: NDArray[np.float32], duration: float) -> None:
    with np.errstate(divide="ignore"):  # silence is black
        axis.specgram(
            samples + 1e-9, NFFT=1024, Fs=RATE, noverlap=768, cmap="magma", vmin=-150, vmax=-40
        )
    axis.set(xlim=(0, duration), ylim=(0, RATE / 3), ylabel="Hz")


def _draw_motion(
    axis: Axes, clip: Path, sounds: Sequence[tuple[str, Path]], duration: float
) -> None:
    curves = [("motion", motion_curve(clip))]
    for name, file in sounds:
        curves.append((name, strength_curve(onset_strength(read_sound(file)))))
    for name, curve in curves:
        largest = max(float(curve.max(initial=0)), 1e-9)
        times, width = np.arange(len(curve)) / CURVE_RATE, 1.6 if name == "motion" else 0.8
        axis.plot(times, curve / largest, label=name, linewidth=width)
    axis.set(xlim=(0, duration), ylabel="onsets", yticks=[])
    axis.legend(loc="upper right", fontsize="small")


def _mark_cues(axis: Axes, cues: Sequence[Cue]) -> None:
    low, high = axis.get_ylim()
    for cue in cues:
        if cue.kind == "hit":
            axis.axvline(float(cue.start), color="tab:red", linewidth=0.6)
        else:
            span = (float(cue.start), float(cue.end))
            axis.plot(span, [low + 0.03 * (high - low)] * 2, color="tab:green", linewidth=3)
