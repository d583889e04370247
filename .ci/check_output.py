"""Look at an output from outside: the picture's packets untouched, sound there and as long.

python check_output.py CLIP OUTPUT
"""

import sys
from fractions import Fraction
from hashlib import blake2b

import av
import numpy as np


def picture(path: str) -> tuple[list[tuple[int | None, str]], Fraction]:
    """Time stamp and hash of every packet of the picture, and its length in seconds."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        packets = [packet for packet in container.demux(stream) if packet.size]
        hashes = [
            (packet.pts and round(packet.pts * stream.time_base * 90_000), digest(bytes(packet)))
            for packet in packets
        ]
        ends = [((p.pts or 0) + (p.duration or 0)) * stream.time_base for p in packets]
    return hashes, max(ends)


def digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def sound(path: str) -> tuple[np.ndarray, int]:
    """The last sound track, (samples,), and its rate."""
    with av.open(path) as container:
        stream = container.streams.audio[-1]
        blocks = [frame.to_ndarray().mean(0) for frame in container.decode(stream)]
    return np.concatenate(blocks), stream.rate


def main(clip: str, output: str) -> None:
    before, seconds = picture(clip)
    after, _ = picture(output)
    assert before == after, f"{output}: the picture's packets have changed"
    samples, rate = sound(output)
    loudest_db = 20 * np.log10(np.abs(samples).max() + 1e-9)
    assert abs(len(samples) - seconds * rate) <= 1024, f"{len(samples)} samples, {seconds} s"
    assert -40 < loudest_db < 0, f"peak {loudest_db:.1f} dBFS"
    print(f"{output}: {len(before)} packets untouched, peak of the sound {loudest_db:.1f} dBFS")


if __name__ == "__main__":
    main(*sys.argv[1:])
