"""The case of figure 4b of arXiv 2507.02271: a camera moves, and what sounds enters the picture, or
leaves it, in the middle. Nothing sounds while its source is not to be seen."""

from dataclasses import replace

import numpy as np
import pytest

from foleycli.clip.probe import probe
from foleycli.config import OUTPUT, GenerateConfig
from foleycli.frames.decode import decode_pictures
from foleycli.frames.windows import Window, crop_for
from foleycli.sources.library import LibrarySource
from foleycli.spot.encode import Encoder, encode_video
from foleycli.spot.find import find_cues
from tests.films import write_film

SECONDS, RATE = 6, 24
STRIKES = np.arange(0.5, SECONDS, 0.6)
LEFT = 264  # of the source, pixels of a picture 320 wide
PAN = Window(320, 180, 160, 180, (0, 0), (160, 0), SECONDS)  # from the left edge to the right
SEEN = (LEFT - 160) / 160 * SECONDS  # its edge comes into the picture: 3.9 s
NEAR = 0.15  # seconds that a hit may be off


def struck():
    """A wall of soft spots, before which, at the right, a bar swings down onto a block."""
    rng = np.random.default_rng(0)
    wall = np.kron(rng.integers(60, 160, (12, 20, 3)), np.ones((15, 16, 1))).astype(np.uint8)
    for number in range(SECONDS * RATE):
        frame = wall.copy()
        frame[130:, LEFT:312] = (60, 40, 30)
        until = np.abs(STRIKES - number / RATE).min()
        height = int(min(100, 100 * (until / 0.2) ** 0.5))
        frame[110 - height : 130 - height, LEFT + 4 : 308] = (230, 220, 200)
        yield frame


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return probe(write_film(tmp_path_factory.mktemp("films") / "struck.mp4", struck(), RATE))


def hits_through(film, window):
    """When the sound that is asked for hits, and the features it was found in."""
    crop = crop_for(film, window) if window else None
    features = encode_video(decode_pictures(film, crop=crop), Encoder.open(), watch=False)
    cues = find_cues(features, "wood hit", air=False)
    assert {cue.kind for cue in cues} <= {"hit"}
    return np.array([float(cue.start) for cue in cues]), features, cues


def test_a_source_that_is_there_all_the_time_sounds_all_the_time(film):
    hits, _, _ = hits_through(film, None)
    assert all(np.abs(hits - strike).min() < NEAR for strike in STRIKES)


def test_nothing_sounds_before_its_source_enters_the_picture(film):
    hits, features, cues = hits_through(film, PAN)
    assert (hits > SEEN - NEAR).all()
    assert sum(np.abs(STRIKES - hit).min() < NEAR for hit in hits) >= 2
    blocks = list(LibrarySource().render(features, cues, GenerateConfig()))
    wave = np.abs(np.concatenate(blocks))
    entered = round((SEEN - NEAR) * OUTPUT.sample_rate)
    assert wave[:entered].max() == 0
    assert wave[entered:].max() > 0.01


def test_nothing_begins_once_its_source_has_left_the_picture(film):
    back = replace(PAN, first=PAN.last, last=PAN.first)
    hits, _, _ = hits_through(film, back)
    assert len(hits) >= 2
    assert (hits < SECONDS - SEEN + NEAR).all()
