"""Bytes of each room of the package, as they lie and as a wheel packs them.

    python benchmarks/size.py

The wheel must stay under 100 MB.
"""

import zlib
from pathlib import Path

import foleycli

LIMIT = 100e6  # bytes
PACKAGE = Path(foleycli.__file__).parent


def room_of(path: Path) -> str:
    """The folder that a file counts for: rooms, and bundles of weights by themselves."""
    inside = path.relative_to(PACKAGE).parts
    return "/".join(inside[:2] if inside[0] == "models" and len(inside) > 2 else inside[:-1][:1])


def main() -> None:
    """Print a table, the largest rooms first."""
    sizes: dict[str, list[int]] = {}
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            size = sizes.setdefault(room_of(path) or "foleycli", [0, 0])
            size[0] += len(content)
            size[1] += len(zlib.compress(content, 6))
    print("| room | MB | MB packed |\n|---|---|---|")
    for room, (lies, packed) in sorted(sizes.items(), key=lambda item: -item[1][0]):
        print(f"| {room} | {lies / 1e6:.2f} | {packed / 1e6:.2f} |")
    lies, packed = (sum(size[i] for size in sizes.values()) for i in (0, 1))
    print(f"| all | {lies / 1e6:.1f} | {packed / 1e6:.1f} |")
    if packed > LIMIT:
        raise SystemExit(f"the wheel would be {packed / 1e6:.1f} MB, over {LIMIT / 1e6:.0f}")


if __name__ == "__main__":
    main()
