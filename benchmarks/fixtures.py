"""Does what is here compute what the published models compute? Every fixture, beside its tolerance.

    python benchmarks/fixtures.py NAME FOLDER [--only WORD]

NAME is diff_foley, selva, visah or tempotokens; FOLDER holds the fixtures, or a ``golden`` with
them. Prints the largest error of every fixture; exits with 1 if one is over its tolerance, or if
there is none. A reference has a module ``fixtures_NAME.py`` here with ``check_fixtures(folder)``,
which yields a `golden.Check` for every comparison whose fixture is there; one that can do without
what ``--only`` leaves out takes that word too.
"""

import argparse
import importlib
import sys
from pathlib import Path

import torch
from golden import Check, golden_folder

NAMES = ("diff_foley", "selva", "visah", "tempotokens")


def main() -> int:
    """Parse, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="fixtures whose name holds this word")
    options = parser.parse_args()
    folder = golden_folder(options.folder)
    if not folder.is_dir():
        parser.error(f"{folder} is no folder")
    checks = importlib.import_module(f"fixtures_{options.name}").check_fixtures
    done: list[Check] = []
    with torch.no_grad():  # not inference mode: classifiers are asked for slopes
        for check in checks(folder, options.only) if options.only else checks(folder):
            done.append(check)
            verdict = "ok" if check.holds else "OVER"
            print(f"{verdict:4}  {check.error:9.2e} of {check.tolerance:7.0e}  {check.fixture}")
            sys.stdout.flush()
    over = sum(not check.holds for check in done)
    if not done:
        print(f"{options.name}: no fixture found in {folder}")
    else:
        print(f"{options.name}: {len(done) - over} of {len(done)} within their tolerance")
    return 1 if over or not done else 0


if __name__ == "__main__":
    sys.exit(main())
