"""Shared by all tests: one torch thread each, so that parallel workers do not fight."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

REFERENCE = Path(__file__).parents[2] / "shared" / "reference" / "diff_foley"


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of golden files too large to travel with the repository."""
    if not REFERENCE.is_dir():
        pytest.skip("the large golden files are not beside this checkout")
    return REFERENCE
