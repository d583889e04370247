"""Does likeness by ear find the same kind of thing? Every shipped recording asks for its like.

    python benchmarks/like.py

The nearest recordings of the same kind (hit or bed) that were cut from another file: how often the
first one, and the first five, are of the same class (of kinds.csv). Chance is what any other
recording of that kind would give.
"""

import csv

import numpy as np

from foleycli.library.bank import Bank
from foleycli.library.like import SHAPE_WEIGHT, STEPS
from foleycli.library.table import SHIPPED


def main() -> None:
    bank = Bank.open(None)
    sounds = bank.sounds
    with (SHIPPED / "recordings.csv").open(newline="", encoding="utf-8") as file:
        source = np.array([row["cut_from"] or row["id"] for row in csv.DictReader(file)])
    category = np.array([r.category for r in bank.recordings])
    kind = np.array([r.kind for r in bank.recordings])
    scaled = sounds / (sounds.std(axis=0) + 1e-3)
    scaled[:, -len(STEPS) - 2 :] *= SHAPE_WEIGHT
    first, five, chance = [], [], []
    for number, one in enumerate(scaled):
        others = (source != source[number]) & (kind == kind[number])
        distance = np.where(others, np.linalg.norm(scaled - one, axis=1), np.inf)
        same = category[np.argsort(distance)[:5]] == category[number]
        first.append(same[0])
        five.append(same.mean())
        chance.append((category[others] == category[number]).mean())
    print(f"{len(scaled)} recordings: the nearest is of the same class in {np.mean(first):.0%}, "
          f"the nearest five in {np.mean(five):.0%}; chance {np.mean(chance):.0%}")  # fmt: skip


if __name__ == "__main__":
    main()
