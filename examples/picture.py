"""README's first picture: a film strip, the cues in their layers, and the sound.

python examples/picture.py examples/ball.mp4 docs/pictures/scene.webp
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image, ImageDraw, ImageFont

import foleycli
from foleycli.clip.probe import probe
from foleycli.frames.decode import decode_pictures
from foleycli.spot.cues import LAYERS

WIDTH, LEFT, STRIP, LANE, SPECTRUM = 1200, 70, 96, 26, 150
COLOURS = {"feet": "#d98f3f", "moves": "#c7b04a", "props": "#4f8fd0", "hard": "#a06cc0",
           "voices": "#5fae63", "air": "#8aa0a8"}  # fmt: skip


def draw(clip: Path, out: Path) -> None:
    """Sound a clip and draw what came out."""
    with tempfile.TemporaryDirectory() as folder:
        result = foleycli.generate(clip, Path(folder) / "out.mov", wav=True)
        sound, rate = soundfile.read(result.takes[0].wav, dtype="float32", always_2d=True)
    seconds = float(result.duration)
    lanes = [layer for layer in LAYERS if any(cue.layer == layer for cue in result.cues)]
    height = STRIP + LANE * len(lanes) + SPECTRUM + 30
    page = Image.new("RGB", (WIDTH, height), "#15181c")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)

    def across(time: float) -> int:
        return LEFT + round((WIDTH - LEFT) * time / seconds)

    frames = [p.rgb for p in decode_pictures(probe(clip)) if p.rgb is not None]
    count = (WIDTH - LEFT) // round(STRIP * 16 / 9)
    for number in range(count):
        frame = Image.fromarray(frames[round((number + 0.5) / count * (len(frames) - 1))])
        edges = [LEFT + (WIDTH - LEFT) * n // count for n in (number, number + 1)]
        page.paste(frame.resize((edges[1] - edges[0] - 2, STRIP - 4)), (edges[0], 2))
    for lane, layer in enumerate(lanes):
        top = STRIP + LANE * lane
        pen.text((8, top + 5), layer, "#cfd6dc", font)
        cues = [cue for cue in result.cues if cue.layer == layer]
        starts = [across(float(cue.start)) for cue in cues]
        for cue, start, following in zip(cues, starts, [*starts[1:], WIDTH], strict=True):
            end = across(float(cue.end)) if cue.kind == "bed" else start + 7
            pen.rectangle((start, top + 3, end - 1, top + LANE - 4), COLOURS[layer])
            if start + 10 + pen.textlength(cue.what, font) < following:
                pen.text((start + 10, top + 5), cue.what, "#ffffff", font)
    page.paste(
        spectrum(sound.mean(axis=1), rate).resize((WIDTH - LEFT, SPECTRUM)),
        (LEFT, height - SPECTRUM - 24),
    )
    pen.text((8, height - SPECTRUM - 20), "sound", "#cfd6dc", font)
    for second in range(int(seconds) + 1):
        pen.text((min(across(second) - 4, WIDTH - 10), height - 20), str(second), "#cfd6dc", font)
    out.parent.mkdir(parents=True, exist_ok=True)
    page.save(out)


def spectrum(sound: np.ndarray, rate: int, size: int = 2048, hop: int = 512) -> Image.Image:
    """A spectrogram up to 12 kHz, 80 dB from dark to bright."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop] * np.hanning(size)
    level = 20 * np.log10(np.abs(np.fft.rfft(frames))[:, : size * 12_000 // rate] + 1e-6)
    shade = np.clip((level.T[::-1] - level.max() + 80) / 80, 0, 1)
    colour = np.stack([shade**0.8, shade**1.6, 0.25 + 0.5 * shade - 0.4 * shade**3], axis=2)
    return Image.fromarray((255 * np.clip(colour, 0, 1)).astype(np.uint8))


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
