"""Odd and hostile documents, thousands of them: every reader answers each with a line or a result.

    python benchmarks/fuzz.py --inputs 10000

Prints for each kind how many documents were read and how many refused with a FoleyError, and the
longest that one took; a traceback, or more than two seconds of the processor, is a fault, which is
named with the document that causes it. Runs from the repository's folder.
"""

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).parents[1]))
from foleycli.errors import FoleyError
from tests.odd_documents import KINDS, Kind

LONGEST = 2.0  # seconds of the processor for one document


def main() -> int:
    """Draw documents of every kind; 1 when there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="documents in all")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    each = -(-asked.inputs // len(asked.kinds))
    total = faults = 0
    print(f"{'kind':<10}{'inputs':>8}{'read':>8}{'refused':>9}{'faults':>8}{'longest':>10}")
    for name in asked.kinds:
        tally = run(name, KINDS[name], each, asked.seed)
        total += sum(tally.counts.values())
        faults += tally.counts["fault"]
        print(
            f"{name:<10}{sum(tally.counts.values()):>8}{tally.counts['read']:>8}"
            f"{tally.counts['refused']:>9}{tally.counts['fault']:>8}{tally.longest:>8.2f} s",
            flush=True,
        )
        for data, what in tally.found.items():
            print(f"\n  {data!r}\n{what}\n")
    print(f"{total} documents, {faults} faults")
    return 1 if faults else 0


class Tally:
    """What became of the documents of a kind."""

    def __init__(self) -> None:
        self.counts = {"read": 0, "refused": 0, "fault": 0}
        self.longest = 0.0
        self.found: dict[bytes, str] = {}  # a document for each place that broke

    def add(self, data: bytes, state: str, took: float, what: str = "") -> None:
        """Count one."""
        if took > LONGEST:
            state, what = "fault", f"took {took:.1f} s"
        self.counts[state] += 1
        self.longest = max(self.longest, took)
        last = what.strip().rpartition("\n")[2]
        if state == "fault" and not any(known.endswith(last) for known in self.found.values()):
            self.found[data] = what.strip()


def run(name: str, kind: Kind, count: int, number: int) -> Tally:
    """Draw ``count`` documents of a kind and use each."""
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="foley-fuzz-") as folder:
        path = Path(folder) / f"{name}{kind.suffix}"

        @seed(number)
        @settings(
            max_examples=count,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(kind.documents)
        def use(data: bytes) -> None:
            path.write_bytes(data)
            began = time.process_time()
            state, what = "read", ""
            try:
                kind.use(path)
            except FoleyError:
                state = "refused"
            except Exception:
                state, what = "fault", traceback.format_exc(limit=-6)
            tally.add(data, state, time.process_time() - began, what)

        use()
    return tally


if __name__ == "__main__":
    sys.exit(main())
