"""ImageBind: what goes in, what its public weights are called, and what the score makes of it."""

import subprocess

import av
import numpy as np
import pytest
import torch

from foleycli.evaluate import imagebind_score
from foleycli.evaluate.material import Film, Sound
from foleycli.evaluate.measures import ClipMeasure, find_measure
from foleycli.listeners.fbank import fbank
from foleycli.listeners.heard import Heard
from foleycli.listeners.imagebind import ImageBind, Trunk, crops, look, mel_pieces, pairs
from foleycli.models.filled import filled
from foleycli.mux.ffmpeg import find_ffmpeg
from tests.films import write_film

SMALL = {
    "vision": Trunk(width=16, blocks=2, heads=2),
    "audio": Trunk(width=12, blocks=2, heads=3),
    "size": 8,
}


@pytest.fixture(scope="module")
def net():
    net = ImageBind(**SMALL).eval()
    net.load_state_dict(filled(net.state_dict()))
    return net


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Ten seconds whose brightness tells the time, with a white edge on the right."""
    path = tmp_path_factory.mktemp("films") / "clock.mp4"
    frames = (np.full((90, 160, 3), 2 * i, np.uint8) for i in range(100))
    return write_film(path, (_edged(frame) for frame in frames), rate=10)


def _edged(frame):
    frame[:, 120:] = 255
    return frame


def test_fbank_is_torchaudios():
    noise = (0.1 * np.random.default_rng(0).standard_normal(32_000)).astype(np.float32)
    bands = fbank(torch.from_numpy(noise))
    assert bands.shape == (198, 128)
    # torchaudio 2.11.0: compliance.kaldi.fbank as ImageBind calls it, frame 50, every 25th band
    torchaudio = [-5.795367, -5.597083, -1.031293, 0.559727, 2.298289, 3.417804]
    assert bands[50, ::25].tolist() == pytest.approx(torchaudio, abs=1e-3)
    assert fbank(torch.zeros(400))[0].tolist() == pytest.approx([-15.942385] * 128)


def test_pieces_of_a_sound_are_spread_over_it():
    ramp = np.random.default_rng(0).standard_normal(16_000 * 8).astype(np.float32)
    pieces = mel_pieces(ramp)
    assert pieces.shape == (3, 1, 128, 204)
    for piece, start in zip(pieces, (0, 3, 6), strict=True):
        alone = fbank(torch.from_numpy(ramp[16_000 * start :][:32_000])).T
        assert torch.allclose(piece[0, :, :198], (alone + 4.268) / 9.138, atol=1e-5)
    assert pieces[0, 0, :, 198:].unique().tolist() == pytest.approx([4.268 / 9.138])


def test_short_sounds_and_silence_are_heard():
    for samples in (0, 1, 500, 32_001):
        assert mel_pieces(np.zeros(samples, np.float32)).isfinite().all()
    second = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    pieces = mel_pieces(second)
    assert torch.equal(pieces[0], pieces[2])


def test_pictures_are_those_of_ffmpegs_filter(film):
    ours = torch.stack(list(look(film)))
    command = [find_ffmpeg(), "-v", "error", "-i", film, "-vf", "fps=1/2", "-pix_fmt", "rgb24"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-"], capture_output=True, check=True)
    theirs = np.frombuffer(raw.stdout, np.uint8).reshape(-1, 90, 160, 3)
    assert len(ours) == len(theirs) == 5
    frames = [av.VideoFrame.from_ndarray(picture, "rgb24") for picture in theirs]
    assert torch.allclose(ours, torch.stack([crops(frame) for frame in frames]), atol=1e-5)


def test_short_films_show_one_picture(tmp_path):
    for seconds, count in ((0.5, 1), (1.5, 1), (2.9, 1), (3, 2), (8, 4), (8.5, 4), (9.5, 5)):
        frames = (np.full((48, 64, 3), 100, np.uint8) for _ in range(round(10 * seconds)))
        path = write_film(tmp_path / f"{seconds}.mp4", frames, rate=10)
        assert len(list(look(path))) == count


def test_crops_lie_along_the_longer_side():
    frame = av.VideoFrame.from_ndarray(_edged(np.zeros((90, 160, 3), np.uint8)), "rgb24")
    left, middle, right = crops(frame)
    assert left.shape == (3, 224, 224)
    assert torch.equal(left[:, :, 87:], middle[:, :, :137])
    assert torch.equal(middle[:, :, 87:], right[:, :, :137])
    assert left.mean() < middle.mean() < right.mean()
    top, middle, bottom = crops(frame, 1)  # a turn counter-clockwise brings the edge to the top
    assert top[:, :20].mean() > 1.5 > top[:, 200:].mean()
    assert top.mean() > middle.mean() > bottom.mean()


def test_pairs_are_neighbours_and_a_still_is_its_own():
    a, b, c = (torch.full((1,), float(i)) for i in range(3))
    assert [(int(x), int(y)) for x, y in pairs(iter([a, b, c]))] == [(0, 1), (1, 2)]
    assert [(int(x), int(y)) for x, y in pairs(iter([b]))] == [(1, 1)]
    assert list(pairs(iter([]))) == []


def test_vectors_are_of_length_one_and_of_what_is_shown(net):
    rng = torch.Generator().manual_seed(0)
    pictures = torch.randn(2, 3, 2, 224, 224, generator=rng)
    with torch.no_grad():
        seen = net.see(pictures)
        swapped = net.see(pictures.flip(2))
        heard = net.hear(torch.randn(2, 1, 128, 204, generator=rng))
    assert seen.shape == heard.shape == (2, 8)
    assert seen.norm(dim=1).tolist() == pytest.approx([1, 1])
    assert heard.norm(dim=1).tolist() == pytest.approx([1, 1])
    assert not torch.allclose(seen, swapped, atol=1e-3)


def test_full_size_has_the_published_shapes():
    with torch.device("meta"):
        shapes = {name: tuple(t.shape) for name, t in ImageBind().state_dict().items()}
    assert shapes["modality_preprocessors.vision.rgbt_stem.proj.1.weight"] == (1280, 3, 2, 14, 14)
    assert shapes["modality_preprocessors.vision.pos_embedding_helper.pos_embed"] == (1, 257, 1280)
    assert shapes["modality_preprocessors.audio.pos_embedding_helper.pos_embed"] == (1, 229, 768)
    assert shapes["modality_trunks.vision.pre_transformer_layer.0.weight"] == (1280,)
    assert shapes["modality_trunks.vision.blocks.31.attn.in_proj_weight"] == (3840, 1280)
    assert shapes["modality_trunks.audio.blocks.11.attn.bias_k"] == (1, 1, 768)
    assert shapes["modality_heads.vision.2.weight"] == (1024, 1280)
    assert shapes["modality_heads.audio.2.weight"] == (1024, 768)


def test_score_is_the_cosine_of_the_means(monkeypatch, tmp_path):
    looked = []

    class Listener:
        name, fingerprint, sample_rate, levelled = "imagebind", "x", 16_000, False

        def __call__(self, waveform):
            loud = float(np.abs(waveform).mean() > 0.01)
            return Heard(np.array([[loud, 1 - loud], [loud, 1 - loud]], np.float32))

        def see(self, path):
            looked.append(path)
            return np.array([[1, 0], [0.6, 0.8]], np.float32)

    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))
    for module in ("imagebind_score", "material"):
        monkeypatch.setattr(f"foleycli.evaluate.{module}.open_extractor", lambda name: Listener())
    (tmp_path / "film").write_bytes(b"a film")
    film = Film(tmp_path / "film")
    noise = np.random.default_rng(0).standard_normal(160_000).astype(np.float32)
    loud, silent = Sound(noise, 16_000), Sound(0 * noise, 16_000)
    score, delta = find_measure("imagebind"), find_measure("imagebind_delta")
    assert isinstance(score, ClipMeasure)
    assert isinstance(delta, ClipMeasure)
    assert score.compute(loud, loud, film) == pytest.approx(100 * 0.8 / np.hypot(0.8, 0.4))
    assert score.compute(loud, silent, film) == pytest.approx(100 * 0.4 / np.hypot(0.8, 0.4))
    assert len(looked) == 1  # a film is looked at once
    assert delta.compute(loud, loud, film) == 0
    assert delta.compute(loud, silent, film) == pytest.approx(40 / np.hypot(0.8, 0.4))


def test_cosine_of_nothing_is_zero():
    assert imagebind_score._cosine(np.zeros(3, "f4"), np.ones(3, "f4")) == 0
