"""A balance as a picture: the mix before and after, and between them the curve of each stem."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foleycli.errors import UsageError
from foleycli.highlight.curves import STEMS, Span, keyframes
from foleycli.highlight.remix import Remix
from foleycli.highlight.stems import Stems
from foleycli.output import atomic_output

COLOURS = {"dialogue": "#c0392b", "music": "#2471a3", "effects": "#1e8449"}
N_FFT, COLUMNS = 2048, 600  # samples of a window; windows of a picture
FLOOR_DB = -80.0  # under the loudest


def draw_balance(
    path: Path, stems: Stems, spans: Sequence[Span], *, overwrite: bool = False
) -> None:
    """Write a picture (.png) of stems' sum before and after their curves, and of the curves.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("matplotlib is not installed.", "pip install 'foleycli[eval]'") from error
    figure = Figure(figsize=(11, 7), layout="constrained")
    FigureCanvasAgg(figure)
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(2, 1.3, 2))
    rate, samples = stems.sample_rate, stems.samples
    plain = Remix.of(stems, [])
    pictures = [spectrum_db(_mono(r), samples) for r in (plain, Remix.of(stems, spans))]
    loudest = max(float(picture.max()) for picture in pictures)
    seconds = samples / rate
    for axes, picture, title in zip((top, bottom), pictures, ("before", "after"), strict=True):
        axes.imshow(
            picture,
            origin="lower",
            aspect="auto",
            extent=(0, seconds, 0, rate / 2000),
            vmin=loudest + FLOOR_DB,
            vmax=loudest,
            cmap="magma",
        )
        axes.set_ylim(0, min(12, rate / 2000))
        axes.set_ylabel(f"{title}, kHz")
    for stem in STEMS:
        points = keyframes(spans, stem)
        if any(stem in span.gains_db for span in spans):
            times, gains = [p.time for p in points], [p.gain_db for p in points]
            middle.plot(times, gains, color=COLOURS[stem], label=stem, linewidth=2)
    middle.axhline(0, color="0.7", linewidth=0.8)
    middle.set_ylabel("gain, dB")
    low, high = middle.get_ylim()
    middle.set_ylim(low, high + 0.35 * (high - low))  # the names stand above the curves
    middle.legend(loc="upper right", ncols=3)
    bottom.set_xlabel("seconds")
    bottom.set_xlim(0, seconds)
    with atomic_output(path, overwrite=overwrite) as beside:
        figure.savefig(beside, dpi=110)


def spectrum_db(blocks: Iterable[NDArray[np.float64]], samples: int) -> NDArray[np.float64]:
    """Blocks (samples,) -> (bins, columns) in dB; a long sound is looked at in places."""
    starts = np.linspace(0, max(0, samples - N_FFT), COLUMNS).astype(int)
    window, rows = np.hanning(N_FFT), []
    held, at = np.zeros(0), 0
    for block in itertools.chain(blocks, [np.zeros(N_FFT)]):
        held = np.concatenate([held, block])
        while len(rows) < COLUMNS and starts[len(rows)] + N_FFT <= at + len(held):
            first = starts[len(rows)] - at
            rows.append(np.abs(np.fft.rfft(held[first : first + N_FFT] * window)))
        drop = (starts[len(rows)] if len(rows) < COLUMNS else at + len(held)) - at
        drop = max(0, min(drop, len(held)))
        held, at = held[drop:], at + drop
    return 20 * np.log10(np.stack(rows).T + 1e-6)


def _mono(remix: Remix) -> Iterator[NDArray[np.float64]]:
    for block in remix.mix():
        yield block.mean(axis=1)
