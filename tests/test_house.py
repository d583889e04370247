"""The order of the house: a stage imports only stages above it, and no two modules each other.

Imports inside functions and for types alone count as any other: the order says who may know whom.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[1] / "foleycli"
GROUND = ("cluster", "config", "documents", "errors", "folders", "install", "output", "processes",
          "quiet", "version")  # fmt: skip
# In the order of the way, as the house was designed; whoever moves a line here moves a stage.
STAGES = (
    *("clip", "frames", "waveform", "latents", "models", "listeners", "sight", "spot", "library"),
    *("sources", "mux", "recipe", "generate", "doctor", "timeline", "highlight", "visualize"),
    *("evaluate", "pages", "train", "cli"),
)
# The one that may know what is below it, and why.
FRONT_DOOR = "foleycli"  # `foleycli.generate(...)` opens the stage when it is asked for


class Import(NamedTuple):
    """That one module asks another, and where it stands."""

    of: str
    what: str
    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path.relative_to(PACKAGE.parent)}:{self.line} asks {self.what}"


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def find_imports(name: str, path: Path) -> Iterator[Import]:
    """Every import of a module of ours in a file, wherever it stands in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            asked = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            assert not node.level, f"{path}:{node.lineno}: a relative import says not where it goes"
            whole = [f"{base}.{alias.name}" for alias in node.names]
            asked = [module if module in MODULES else base for module in whole]
        else:
            continue
        for module in asked:
            if module.partition(".")[0] == PACKAGE.name:
                yield Import(name, module, path, node.lineno)


IMPORTS = [found for name, path in MODULES.items() for found in find_imports(name, path)]


def place(module: str) -> int:
    """How far along the way a module is; the ground is before all of it."""
    room = [*module.split("."), ""][1]
    return -1 if room in (*GROUND, "") else STAGES.index(room)


def test_every_room_has_its_place():
    rooms = {module.split(".")[1] for module in MODULES if "." in module}
    assert rooms == {*GROUND, *STAGES}


def test_no_import_points_against_the_order():
    wrong = [
        str(found)
        for found in IMPORTS
        if place(found.what) > place(found.of) and found.of != FRONT_DOOR
    ]
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_in_a_ring():
    """Of two, of three, of any number: then none of them can be read, or moved, alone."""
    asks: dict[str, set[str]] = {module: set() for module in MODULES}
    for found in IMPORTS:
        if found.what in MODULES:
            asks[found.of].add(found.what)
    while leaves := [module for module, asked in asks.items() if not asked]:
        for leaf in leaves:
            del asks[leaf]
        for asked in asks.values():
            asked.difference_update(leaves)
    in_rings = asks.keys() & {module for asked in asks.values() for module in asked}
    wrong = [str(found) for found in IMPORTS if {found.of, found.what} <= in_rings]
    assert not wrong, "\n".join(wrong)
