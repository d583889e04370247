"""The picture of a sheet in docs/visualize.md, of a scene of shipped recordings:

python examples/sheet_picture.py docs/pictures/sheet.webp
"""

import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av

from foleycli.library.index import open_bank
from foleycli.library.place import place_cues
from foleycli.mux.bwf import Broadcast, write_broadcast
from foleycli.spot.cues import Cue
from foleycli.visualize.make import visualize
from foleycli.visualize.request import Request
from foleycli.waveform.loudness import limit_peaks
from foleycli.waveform.space import Space

RATE, SECONDS, SHOWN = 48_000, 30, 8.4  # Hz, of the scene, of the picture
# start, seconds, kind, what, dB, from left to right
SCENE = (
    (0, 30, "bed", "wind", -14, 0),
    *((0.6 + 0.55 * step, 0.5, "hit", "footsteps on gravel", -2, -0.4) for step in range(10)),
    (6.5, 1.5, "hit", "door slam", 2, -0.2),
    (8.2, 1.0, "hit", "dog bark", 0, 0.5),
    (9.1, 1.0, "hit", "dog bark", -3, 0.5),
    (10.6, 2.0, "hit", "glass breaking", 0, 0.2),
    (13, 9, "bed", "rain", -6, 0),
    (16, 5, "hit", "thunder", 3, 0),
    (22.5, 7, "bed", "car engine", 0, -0.3),
    (26.4, 3, "hit", "explosion", 3, 0),
)


def draw(out: Path) -> None:
    """Sound the scene, draw its sheet, keep one picture."""
    cues = [
        Cue(start=Fraction(str(round(start, 3))), duration=Fraction(str(seconds)), kind=kind,
            what=what, level_db=level, pan=pan)
        for start, seconds, kind, what, level, pan in SCENE
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        wave, film = Path(folder) / "night_scene.wav", Path(folder) / "sheet.mov"
        blocks = limit_peaks(place_cues(cues, open_bank(None), Fraction(SECONDS), space=Space(2)))
        about = Broadcast(start=Fraction(3600), frame_rate=Fraction(25))
        write_broadcast(wave, blocks, RATE, 2, about=about)
        visualize(wave, film, Request())
        with av.open(str(film)) as container:
            for frame in container.decode(video=0):
                if frame.time is not None and frame.time >= SHOWN:
                    frame.to_image().save(out, quality=82)
                    return


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
