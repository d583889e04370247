"""The ImageBind score: does the sound belong to what is seen? 100 times a cosine of ImageBind's.

As av-benchmark (hkchengrex/av-benchmark, whose numbers MMAudio and those after it print) takes it:
of the film a picture every two seconds, each next two a pair, left, middle and right; of the sound
three times two seconds, at its start, middle and end; the mean of either's unit vectors, and the
cosine between the two. docs/measures.md tells where ours differs.
"""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from foleycli.evaluate.kept import kept
from foleycli.evaluate.material import Film, Sound
from foleycli.listeners.extractors import open_extractor
from foleycli.listeners.imagebind import ImageBindListener


def imagebind_score(sound: Sound, film: Film) -> float:
    """100 times the cosine between sound and picture.

    Raises:
        ModelError: ImageBind is not here; the remedy names the command.
        MediaError: nothing of the film decodes.
    """
    listener = cast(ImageBindListener, open_extractor("imagebind"))
    kind = f"imagebind-film-{listener.fingerprint}"
    seen = kept(kind, film.digest, lambda: {"embeddings": listener.see(film.path)})
    heard = sound.heard("imagebind").embedding
    return 100 * _cosine(seen["embeddings"].mean(axis=0), heard)


def imagebind_delta(own: Sound, sound: Sound, film: Film) -> float:
    """How far a sound's score is from that of the clip's own."""
    return abs(imagebind_score(sound, film) - imagebind_score(own, film))


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    one, two = a.astype(np.float64), b.astype(np.float64)
    return float(one @ two / max(np.linalg.norm(one) * np.linalg.norm(two), 1e-12))
