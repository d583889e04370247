"""The networks that see are the files that their card lists."""

import hashlib
from pathlib import Path

import foleycli

FOLDER = Path(foleycli.__file__).parent / "models" / "sight"


def test_every_listed_file_is_what_it_was():
    lines = (FOLDER / "SHA256SUMS").read_text().splitlines()
    listed = dict(reversed(line.split("  ")) for line in lines)
    assert set(listed) == {path.name for path in FOLDER.iterdir()} - {"SHA256SUMS"}
    for name, known in listed.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == known


def test_the_card_says_what_each_file_weighs():
    card = (FOLDER / "README.md").read_text()
    for path in FOLDER.glob("*.onnx"):
        assert f"| {path.stat().st_size:,} |" in card and path.name in card
