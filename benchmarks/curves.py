"""Draw learning curves of runs as one small picture.

    python benchmarks/curves.py RUN ... -o curve.webp --columns loss
    python benchmarks/curves.py RUN ... -o amount.webp --over share --columns film_cu_won

RUN is a folder of `foley train`. Without --over, columns of ``validation.csv`` are drawn over
updates, or with --hours over hours (``seconds`` of ``loss.csv``, added up). With --over, the last
row of every run is drawn over that number of its ``run.json``.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from foleycli.train.curves import read_curve


def draw(options: argparse.Namespace) -> None:
    """The picture that was asked for."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    columns = options.columns.split(",")
    if options.over:
        points = [
            (json.loads((run / "run.json").read_text())[options.over], read_curve(run / VALIDATION))
            for run in options.runs
        ]
        for column in columns:
            x, y = zip(*sorted((at, curve[column][-1]) for at, curve in points), strict=True)
            axes.plot(x, y, "o-", ms=4, label=column.replace("_", " "))
        axes.set(xlabel=options.over, xscale="log")
        axes.set_xticks(sorted({at for at, _ in points}), minor=False)
        axes.minorticks_off()
        axes.get_xaxis().set_major_formatter("{x:g}")
        axes.axhline(0, color="0.6", lw=0.8)
    else:
        for run in options.runs:
            curve, learned = read_curve(run / VALIDATION), read_curve(run / "loss.csv")
            x = curve["update"]
            if options.hours:
                gone = np.cumsum(learned["seconds"]) / 3600
                x = np.interp(x, learned["update"], gone)
            for column in columns:
                named = f"{run.name}, {column}" if len(options.runs) > 1 else column
                axes.plot(x, curve[column], "o-", ms=3, label=named.replace("_", " "))
        axes.set(xlabel="hours" if options.hours else "update")
    axes.set(ylabel=options.label or ", ".join(columns))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(options.out.with_suffix(".png"), dpi=110)
    with Image.open(options.out.with_suffix(".png")) as picture:
        picture.convert("RGB").save(options.out, quality=80)
    options.out.with_suffix(".png").unlink()


VALIDATION = "validation.csv"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("-o", "--out", type=Path, required=True, help=".webp")
    parser.add_argument("--columns", default="loss")
    parser.add_argument("--over", help="a number of run.json, such as share")
    parser.add_argument("--hours", action="store_true")
    parser.add_argument("--label", help="of the upright axis")
    draw(parser.parse_args())


if __name__ == "__main__":
    main()
