"""Add sound to the example clip from Python, and list what sounds when.

python examples/python_call.py OUT.mp4
"""

import sys
from pathlib import Path

import foleycli

clip = Path(__file__).with_name("ball.mp4")
result = foleycli.generate(clip, sys.argv[1], seed=1, wav=True, overwrite=True)

for cue in result.cues:
    print(f"{float(cue.start):6.2f} s  {cue.kind}  {cue.what}")
for take in result.takes:
    print(f"{take.out} and {take.wav}: {float(result.duration):.2f} s by {result.model}")
