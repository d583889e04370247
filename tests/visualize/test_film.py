"""Films of the same pictures are the same bytes, whatever lay in memory before."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOISE = """
import sys
from fractions import Fraction
from pathlib import Path
import av
import numpy as np
from foleycli.visualize.film import write_film

def frames():
    coarse = np.random.default_rng(0).normal(120, 60, (20, 12, 20, 3))
    for number in range(40):
        picture = coarse[number // 2].repeat(16, 0).repeat(16, 1)
        picture = picture + np.random.default_rng(number).normal(0, 20, picture.shape)
        pixels = np.clip(picture, 0, 255).astype(np.uint8)
        yield av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p")

write_film(Path(sys.argv[1]), frames(), (320, 192), Fraction(24))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc fills memory when it is asked")
def test_a_film_does_not_depend_on_what_was_in_memory(tmp_path: Path) -> None:
    made = set()
    for filling in ("60", "120"):
        out = tmp_path / f"{filling}.mp4"
        subprocess.run(
            [sys.executable, "-c", NOISE, str(out)],
            env=os.environ | {"MALLOC_PERTURB_": filling},
            check=True,
        )
        made.add(hashlib.sha256(out.read_bytes()).hexdigest())
    assert len(made) == 1
