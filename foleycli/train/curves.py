"""How a training goes, for people: a CSV a line an update, a picture, TensorBoard on request."""

import logging
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from foleycli.errors import UsageError
from foleycli.install import get_packages
from foleycli.output import atomic_output

logger = logging.getLogger("foleycli")


class Curve:
    """A CSV whose first column is the update; lines after the checkpoint are cut off on resume."""

    def __init__(self, path: Path, done: int) -> None:
        self.path = path
        self.file: TextIO | None = None
        if path.exists():
            _cut_after(path, done)

    def add(self, done: int, **values: float) -> None:
        """One line, written at once."""
        if self.file is None:
            fresh = not self.path.exists()
            self.file = self.path.open("a", buffering=1)
            if fresh:
                self.file.write(",".join(["update", *values]) + "\n")
        self.file.write(
            ",".join([str(done), *(f"{value:.6g}" for value in values.values())]) + "\n"
        )

    def close(self) -> None:
        """Nothing more comes."""
        if self.file:
            self.file.close()
            self.file = None


def _cut_after(path: Path, done: int) -> None:
    """Drop the lines after update ``done``, and a last one that a kill cut short."""
    head, *lines = path.read_text().splitlines(keepends=True) or [""]
    kept = [line for line in lines if line.endswith("\n") and int(line.split(",")[0]) <= done]
    if done == 0 or not head.endswith("\n"):
        path.unlink()
    elif len(kept) < len(lines):
        with atomic_output(path, overwrite=True) as beside:
            beside.write_text("".join([head, *kept]))


def read_curve(path: Path) -> dict[str, np.ndarray]:
    """Columns of such a CSV by name; empty when there is none."""
    if not path.exists():
        return {}
    head, *lines = path.read_text().splitlines()
    rows = np.array([[float(value) for value in line.split(",")] for line in lines])
    return dict(zip(head.split(","), rows.T, strict=True)) if lines else {}


def draw_curves(folder: Path) -> None:
    """``loss.csv`` and ``validation.csv`` of a run -> ``loss.png``, where matplotlib is there."""
    try:
        import matplotlib
    except ImportError:
        logger.info("no loss.png: %s", get_packages("matplotlib"))
        return
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    learned, held_out = read_curve(folder / "loss.csv"), read_curve(folder / "validation.csv")
    if not learned:
        return
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(learned["update"], learned["loss"], color="0.8", lw=0.5)
    axes.plot(learned["update"], _smooth(learned["loss"]), label="training, smoothed")
    if held_out:
        axes.plot(held_out["update"], held_out["loss"], "o-", ms=3, label="held out")
    axes.set(xlabel="update", ylabel="loss")
    axes.legend()
    with atomic_output(folder / "loss.png", overwrite=True) as beside:
        figure.savefig(beside, dpi=100)


def _smooth(values: np.ndarray) -> np.ndarray:
    """Mean over the last fiftieth of the curve, fewer at its start."""
    span = max(1, len(values) // 50)
    total = np.cumsum(np.concatenate([[0.0], values]))
    last = np.arange(1, len(total))
    first = np.maximum(0, last - span)
    return (total[last] - total[first]) / (last - first)


def open_tensorboard(folder: Path) -> Any:
    """A writer of TensorBoard's event files.

    Raises:
        UsageError: TensorBoard is not installed.
    """
    return tensorboard_writer()(str(folder))


def tensorboard_writer() -> Any:
    """What writes TensorBoard's event files, to a folder.

    Raises:
        UsageError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError("TensorBoard is not installed.", get_packages("tensorboard")) from error
    return SummaryWriter
