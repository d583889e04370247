"""What white noise scores on sync_z over real films: zero on average, if edges do no harm.

python benchmarks/sync_noise.py FOLDER_OF_CLIPS
"""

import argparse
from pathlib import Path

import numpy as np

from foleycli.evaluate.sync import motion_curve, strength_curve, sync_z
from foleycli.evaluate.timing import onset_strength
from foleycli.listeners.yamnet import SAMPLE_RATE

SECONDS, DRAWS = 11, 60


def main() -> None:
    """Print the mean over clips and draws, and its standard error over clips."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clips", type=Path)
    paths = sorted(parser.parse_args().clips.glob("*.mp4"))
    noises = np.random.default_rng(0).standard_normal((DRAWS, SECONDS * SAMPLE_RATE)).astype("f4")
    strengths = [strength_curve(onset_strength(noise)) for noise in noises]
    motions = [motion_curve(path) for path in paths]
    z = np.array([[sync_z(s[: len(m)], m) for s in strengths] for m in motions])
    error = z.mean(axis=1).std(ddof=1) / np.sqrt(len(z))
    print(
        f"{len(z)} clips, {DRAWS} noises each: {z.mean():.3f} ± {error:.3f}, spread {z.std():.2f}"
    )


if __name__ == "__main__":
    main()
