"""Each measure beside a published implementation of it, on the same numbers and sounds.

    pip install librosa opencv-python-headless scikit-learn mir_eval pyloudnorm
    pip install --no-deps torch-fidelity frechet-audio-distance panns_inference torchlibrosa \\
        torchvggish resampy essentia six pyyaml imagebind-packaged torchaudio einops \\
        hear21passt cd-fvd
    pip install transformers
    python benchmarks/references.py [CLIP.mp4 ...] [--synchformer FOLDER]

No weights are fetched: networks are compared filled alike. What is not installed is left out.
Clips are compared by AV-Align (their first 120 frames) and librosa's onsets. FOLDER is a checkout
of v-iashin/Synchformer, see benchmarks/synchformer.py.
"""

import argparse
import contextlib
import importlib.metadata
import importlib.util
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock, patch

import numpy as np
import torch

from foleycli.clip.probe import probe
from foleycli.evaluate import av_align, clipsim, divergence, highlight, inception, kid
from foleycli.evaluate.fad import frechet_distance
from foleycli.evaluate.onset_precision import average_precision
from foleycli.evaluate.timing import onset_f1
from foleycli.frames.resize import middle_square
from foleycli.listeners import aisfx, imagebind, panns, passt, vggish
from foleycli.listeners.fbank import fbank
from foleycli.listeners.heard import Heard
from foleycli.models.filled import filled
from foleycli.mux.ffmpeg import find_ffmpeg
from foleycli.sight import c3d, i3d
from foleycli.sight.clip import clip_pictures
from foleycli.spot.clip_text import clip_tokens
from foleycli.waveform.sound import integrated_loudness, read_sound

# Packages that the references import and these comparisons do not use.
UNUSED = (
    "torchvision torchvision.transforms torchvision.transforms.functional torchvision.datasets "
    "torchvision.models torchvision.io laion_clap encodec encodec.utils torchaudio "
    "torchaudio.transforms"
).split()

IMAGEBIND_UNUSED = (
    "pkg_resources torchaudio pytorchvideo pytorchvideo.data pytorchvideo.data.clip_sampling "
    "pytorchvideo.data.encoded_video torchvision.transforms._transforms_video ftfy regex iopath "
    "iopath.common iopath.common.file_io timm timm.models timm.models.layers"
).split()

FVD_UNUSED = (
    "einops requests cdfvd.utils.data_utils cdfvd.utils.metric_utils "
    "cdfvd.third_party.VideoMAEv2.utils"
).split()

Row = tuple[str, str, float, float]  # measure, package, theirs, ours


def _numbers() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((60, 32)).astype("f4")
    b = (rng.standard_normal((50, 32)) * 1.2 + 0.1).astype("f4")
    return a, b, 3 * rng.standard_normal((40, 20)), 3 * rng.standard_normal((40, 20))


def _noise(seconds: float, rate: int) -> np.ndarray:
    samples = round(seconds * rate)
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal(samples) * np.linspace(0.01, 1, samples)).astype("f4")


def sets() -> Iterator[Row]:
    """Frechet distance, KID, inception score."""
    from torch_fidelity import metric_fid, metric_isc, metric_kid

    a, b, logits, _ = _numbers()
    one, two = ({"mu": x.mean(0), "sigma": np.cov(x, rowvar=False)} for x in (a, b))
    fid = metric_fid.fid_statistics_to_metric(one, two, False)["frechet_inception_distance"]
    yield "FAD, FD", "torch-fidelity", fid, frechet_distance(a, b)
    options = {"kid_subsets": 1, "kid_subset_size": 50, "kid_kernel": "poly", "rng_seed": 1}
    shape = {f"kid_kernel_poly_{k}": v for k, v in (("degree", 3), ("gamma", None), ("coef0", 1))}
    found = metric_kid.kid_features_to_metric(
        torch.from_numpy(a[:50]), torch.from_numpy(b), verbose=False, **options, **shape
    )["kernel_inception_distance_mean"]
    yield "KID", "torch-fidelity", float(found), kid.squared_discrepancy(a[:50], b)
    score = metric_isc.isc_features_to_metric(torch.from_numpy(logits), shuffle=False)
    ours = inception.score_logits(logits, 10)
    yield "IS, 10 parts", "torch-fidelity", score["inception_score_mean"], ours


def fad() -> Iterator[Row]:
    """FAD's own package."""
    from frechet_audio_distance import FrechetAudioDistance

    a, b, _, _ = _numbers()
    theirs = FrechetAudioDistance.__new__(FrechetAudioDistance)
    one, two = ((x.mean(0), np.cov(x, rowvar=False)) for x in (a, b))
    found = theirs.calculate_frechet_distance(*one, *two)
    yield "FAD", "frechet-audio-distance", float(found), frechet_distance(a, b)


def divergences() -> Iterator[Row]:
    """KL by torch's kl_div, called as AudioLDM's evaluation calls it."""
    _, _, true, made = _numbers()
    blank = np.zeros((1, 1), "f4")
    pairs = [
        (Heard(blank, p[None]), Heard(blank, q[None])) for p, q in zip(true, made, strict=True)
    ]
    for name, act, ours in (
        ("KL, softmax", lambda x: x.softmax(1), divergence.kl_softmax),
        ("KL, sigmoid", torch.sigmoid, divergence.kl_sigmoid),
    ):
        p, q = act(torch.from_numpy(true)), act(torch.from_numpy(made))
        theirs = torch.nn.functional.kl_div((q + 1e-6).log(), p, reduction="sum") / len(p)
        yield name, "torch", float(theirs), float(np.mean([ours(*pair) for pair in pairs]))


def onsets() -> Iterator[Row]:
    """Onset F1 and average precision."""
    import mir_eval
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    own, other = np.sort(rng.random(12) * 5), np.sort(rng.random(15) * 5)
    for tolerance in (0.05, 0.1):
        theirs = mir_eval.onset.f_measure(own, other, window=tolerance)[0]
        ours = onset_f1(own, other, tolerance)
        yield f"onset F1, {1000 * tolerance:.0f} ms", "mir_eval", theirs, ours
    hits, trust = rng.random(30) < 0.5, rng.integers(0, 9, 30) / 9
    theirs = float(average_precision_score(hits, trust))
    yield "average precision", "scikit-learn", theirs, average_precision(hits, trust, hits.sum())


def loudness() -> Iterator[Row]:
    """BS.1770 at three rates."""
    import pyloudnorm

    for rate in (16_000, 44_100, 48_000):
        noise = _noise(7, rate)
        theirs = pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(noise)
        yield f"loudness at {rate} Hz", "pyloudnorm", theirs, integrated_loudness(noise, rate)


def highlights() -> Iterator[Row]:
    """VisAH's MAG through torch's STFT."""
    a, b = _noise(2, 44_100), _noise(2, 44_100)[::-1].copy()
    window = torch.hann_window(highlight.WINDOW)
    sizes = (highlight.N_FFT, highlight.HOP, highlight.WINDOW, window)
    one, two = (torch.stft(torch.from_numpy(x), *sizes, return_complex=True).abs() for x in (a, b))
    yield "VisAH MAG", "torch", float((one - two).abs().mean()), highlight.mag(a, b)


def networks() -> Iterator[Row]:
    """Cnn14 and VGGish, both filled alike: the sum of what they hear."""
    from panns_inference.models import Cnn14
    from torchvggish import torchvggish, vggish_input

    torch.manual_seed(0)
    noise = _noise(5, 16_000)
    theirs = Cnn14(16_000, 512, 160, 64, 50, 8000, 527).eval()
    ours = panns.Cnn14().eval()
    front = ("spectrogram_extractor.", "logmel_extractor.")
    weights = {k: v for k, v in theirs.state_dict().items() if not k.startswith(front)}
    ours.load_state_dict(weights)
    with torch.no_grad():
        heard = theirs(torch.from_numpy(noise - noise.mean())[None])
        embedding, logits = ours(panns.panns_mel(noise)[None])
    yield (
        "Cnn14 embedding",
        "panns-inference",
        float(heard["embedding"].sum()),
        float(embedding.sum()),
    )
    classes = float(heard["clipwise_output"].sum())
    yield "Cnn14 classes", "panns-inference", classes, float(logits.sigmoid().sum())
    vgg = torchvggish.VGG(torchvggish.make_layers(), False).eval()
    net = vggish.Vggish().eval()
    net.load_state_dict(vgg.state_dict())
    vgg.embeddings = vgg.embeddings[:-1]  # without the last ReLU
    patches = vggish_input.waveform_to_examples(noise, 16_000).detach().float()
    with torch.no_grad():
        theirs_sum = float(vgg(patches).sum())
        ours_sum = float(net(torch.from_numpy(vggish.vggish_patches(noise))).sum())
    yield "VGGish embedding", "torchvggish", theirs_sum, ours_sum


def imagebinds() -> Iterator[Row]:
    """ImageBind's vision and audio parts, two blocks of full width each, filled alike; and the
    bands of a sound that it hears."""
    theirs = _published_imagebind()
    ours = imagebind.ImageBind(
        replace(imagebind.VISION, blocks=2), replace(imagebind.AUDIO, blocks=2)
    )
    weights = filled({name: theirs.state_dict()[name] for name in ours.state_dict()})
    theirs.load_state_dict(weights, strict=False)
    ours.eval().load_state_dict(weights)
    rng = np.random.default_rng(0)
    pictures = torch.from_numpy(rng.standard_normal((3, 3, 2, 224, 224)).astype("f4"))
    noise = _noise(8, 16_000)
    pieces = imagebind.mel_pieces(noise)
    with torch.no_grad():
        found = theirs({"vision": pictures[None], "audio": pieces[None]})
        seen, heard = ours.see(pictures).mean(0), ours.hear(pieces).mean(0)
    package = "imagebind-packaged"
    scale = theirs.modality_postprocessors["audio"][1].log_logit_scale.exp()
    yield "ImageBind, sum of a film", package, float(found["vision"].sum()), float(seen.sum())
    told = float(found["audio"].sum() / scale), float(heard.sum())
    yield "ImageBind, sum of a sound", package, *told
    cosine = torch.nn.functional.cosine_similarity
    both = float(cosine(found["vision"][0], found["audio"][0], dim=0))
    yield "ImageBind, their cosine", package, both, float(cosine(seen, heard, dim=0))
    bands = _kaldi().fbank(
        torch.from_numpy(noise[:32_000])[None], htk_compat=True, sample_frequency=16_000,
        use_energy=False, window_type="hanning", num_mel_bins=128, dither=0.0,
    )  # fmt: skip
    mine = fbank(torch.from_numpy(noise[:32_000]))
    yield "Kaldi's bands, their mean", "torchaudio", float(bands.mean()), float(mine.mean())


def films_seen() -> Iterator[Row]:
    """What judges films: I3D with its pictures, and the distance over its logits, by the package of
    content-debiased FVD; CLIP by transformers; C3D by Chainer's formulas written out."""
    yield from _clips()
    yield from _c3ds()
    blank = {name: MagicMock() for name in FVD_UNUSED}
    with patch.dict(sys.modules, blank):
        from cdfvd.third_party.i3d import pytorch_i3d, utils
    rng = np.random.default_rng(0)
    squares = rng.integers(0, 256, (2, 16, 200, 200, 3), dtype=np.uint8)
    theirs = pytorch_i3d.InceptionI3d(400, in_channels=3).eval()
    ours = i3d.I3d().eval()
    weights = filled(theirs.state_dict())
    theirs.load_state_dict(weights, strict=False)
    ours.load_state_dict(weights, strict=False)
    shown = utils.preprocess_i3d(squares)
    mine = torch.stack([i3d.i3d_pictures(torch.from_numpy(film)) for film in squares])
    with torch.no_grad():
        found, logits = theirs(shown), ours(mine)
    package = "cd-fvd"
    for what, one, other in (("pictures", shown, mine), ("logits", found, logits)):
        told = float(one.abs().sum()), float(other.abs().sum())
        yield f"I3D, sum of sizes of its {what}", package, *told
    a, b, _, _ = _numbers()
    theirs_fvd = float(utils.frechet_distance(torch.from_numpy(a), torch.from_numpy(b)))
    yield "FVD of rows", package, theirs_fvd, frechet_distance(a, b)


def _clips() -> Iterator[Row]:
    """CLIP ViT-B/32 at its published size, filled alike, and what it is shown of a picture."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    theirs = CLIPModel(CLIPConfig()).eval()
    weights = filled({n: t for n, t in theirs.state_dict().items() if "position_ids" not in n})
    theirs.load_state_dict(weights, strict=False)
    ours = clipsim.Clip().eval()
    ours.load_state_dict(clipsim.openai_names(weights))
    picture = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    shown = CLIPImageProcessor()(picture, return_tensors="pt")["pixel_values"]
    square = torch.from_numpy(middle_square(picture))[None]
    mine = clip_pictures(square)
    ids = clip_tokens(["a dog barks", "drums"])
    with torch.no_grad():
        found = theirs(input_ids=ids, pixel_values=shown)
        seen, read = ours.visual(mine), ours.read(ids)
    pairs = ("picture", shown, mine), ("row of it", found.image_embeds, seen)
    for what, one, other in (*pairs, ("rows of words", found.text_embeds, read)):
        told = float(one.abs().sum()), float(other.abs().sum())
        yield f"CLIP ViT-B/32, sum of sizes of the {what}", "transformers", *told
    told = float((found.text_embeds @ found.image_embeds.T).mean()), float((read @ seen.T).mean())
    yield "CLIPSIM of a picture and words", "transformers", *told


def _c3ds() -> Iterator[Row]:
    """C3D at a quarter of its widths: TGANv2's steps, each in numpy as Chainer's manual has it."""
    net = c3d.C3d(4).eval()
    state = filled(net.state_dict())
    net.load_state_dict(state)
    film = np.random.default_rng(0).integers(0, 256, (16, 40, 56, 3), dtype=np.uint8)
    frames = film[..., ::-1].astype(np.float64) / 127.5 - 1  # blue first
    maps = np.stack([_corner_on_corner(128 * frame, 112) for frame in frames]).transpose(3, 0, 1, 2)
    maps = maps + 128 - state["mean"].numpy()[:, :, 8:120, 8:120]
    for name in c3d.CONVOLUTIONS:
        weight, bias = (state[f"conv{name}.{part}"].double() for part in ("weight", "bias"))
        summed = torch.nn.functional.conv3d(torch.from_numpy(maps)[None], weight, bias, padding=1)
        maps = summed[0].clamp(min=0).numpy()
        if name in c3d.POOLED:
            maps = _largest(maps, 1 if name == "1a" else 2)
    row = maps.reshape(-1)
    for name in ("fc6", "fc7", "fc8"):
        row = state[f"{name}.weight"].double().numpy() @ np.maximum(row, 0)
        row = row + state[f"{name}.bias"].double().numpy()
    with torch.no_grad():
        logits = net(c3d.c3d_pictures(torch.from_numpy(film))[None])
    told = float(np.abs(row).sum()), float(logits.abs().sum())
    yield "C3D, sum of sizes of its logits", "numpy", *told


def _corner_on_corner(frame: np.ndarray, size: int) -> np.ndarray:
    """A picture at another size, its corner pixels where they were: resize_images."""
    for axis in (0, 1):
        at = np.linspace(0, frame.shape[axis] - 1, size)
        below = np.minimum(at.astype(int), frame.shape[axis] - 2)
        share = (at - below).reshape([-1 if n == axis else 1 for n in range(3)])
        low, high = (np.take(frame, below + step, axis) for step in (0, 1))
        frame = low * (1 - share) + high * share
    return frame


def _largest(maps: np.ndarray, along_time: int) -> np.ndarray:
    """max_pooling_nd of two by two, and so many in time; a half window at an edge counts."""
    for axis, width in ((1, along_time), (2, 2), (3, 2)):
        starts = range(0, maps.shape[axis], width)
        parts = [maps.take(range(a, min(a + width, maps.shape[axis])), axis) for a in starts]
        maps = np.stack([part.max(axis) for part in parts], axis)
    return maps


def _kaldi() -> Any:
    """The one file of torchaudio that these comparisons need, without the library around it."""
    file = importlib.metadata.distribution("torchaudio").locate_file(
        "torchaudio/compliance/kaldi.py"
    )
    spec = importlib.util.spec_from_file_location("kaldi", str(file))
    assert spec and spec.loader
    kaldi = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kaldi)
    return kaldi


def passts() -> Iterator[Row]:
    """PaSST-S filled alike, and the spectrogram it hears."""
    names = ("torchaudio", "timm", "timm.models", "timm.models._hub", "timm.models.hub")
    blank = {name: MagicMock() for name in names}
    blank["torchaudio"].compliance.kaldi = _kaldi()
    with patch.dict(sys.modules, blank), contextlib.redirect_stdout(io.StringIO()):
        from hear21passt import base

        net = base.get_model_passt("passt_s_swa_p16_128_ap476", pretrained=False)
        with patch.object(base, "get_model_passt", lambda **options: net):
            theirs = base.get_basic_model(mode="all").eval()
        ours = passt.Passt().eval()
        weights = filled(net.state_dict())
        net.load_state_dict(weights)
        ours.load_state_dict(weights)
        noise = _noise(10, passt.SAMPLE_RATE)[None]
        mel = passt.passt_mel(noise)
        with torch.no_grad():
            bands = theirs.mel(torch.from_numpy(noise))
            logits, embedding = theirs(torch.from_numpy(noise))[0].split((passt.CLASSES, 768))
            rows = ours(mel)
    package = "hear21passt"
    pairs = ("spectrogram", bands, mel), ("embedding", embedding, rows[0])
    for what, one, other in (*pairs, ("logits", logits, rows[1])):
        told = float(one.abs().sum()), float(other.abs().sum())
        yield f"PaSST, sum of sizes of its {what}", package, *told


def _published_imagebind() -> Any:
    """The package's network; what it imports and does not need here is stood in for."""
    blank = {name: MagicMock() for name in IMAGEBIND_UNUSED}
    layers = blank["timm.models.layers"]
    layers.trunc_normal_, layers.DropPath = torch.nn.init.trunc_normal_, torch.nn.Dropout
    with patch.dict(sys.modules, blank):
        from imagebind.models.imagebind_model import ImageBindModel
    other: dict[str, Any] = {
        f"{sense}_{size}": value
        for sense in ("text", "depth", "thermal", "imu")
        for size, value in (("embed_dim", 16), ("num_blocks", 1), ("num_heads", 2))
    }
    return ImageBindModel(
        vision_embed_dim=1280, vision_num_blocks=2, audio_num_blocks=2, out_embed_dim=1024, **other
    ).eval()


def looks(paths: list[Path]) -> Iterator[Row]:
    """The pictures ImageBind is shown: FFmpeg's ``fps``, torchvision's resizing of bytes (a call of
    torch), ImageBind's crops."""
    with patch.dict(sys.modules, {name: MagicMock() for name in IMAGEBIND_UNUSED}):
        from imagebind.data import SpatialCrop
    mean, spread = (
        torch.tensor(values)[:, None, None, None]
        for values in ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
    )
    for path in paths:
        clip = probe(path)
        command = [find_ffmpeg(), "-v", "error", "-noautorotate", "-i", str(path), "-vf", "fps=1/2"]
        raw = subprocess.run(
            [*command, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"], capture_output=True, check=True
        ).stdout
        height, width = clip.coded_height, clip.coded_width
        frames = np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3).copy()
        size = [int(224 * side / min(height, width)) for side in (height, width)]
        small = torch.nn.functional.interpolate(
            torch.from_numpy(frames).permute(0, 3, 1, 2), size, mode="bicubic", antialias=True
        )
        normal = (small.permute(1, 0, 2, 3) / 255 - mean) / spread
        theirs = torch.stack(SpatialCrop(224, 3)([normal]))  # (crops, 3, time, 224, 224)
        ours = torch.stack(list(imagebind.look(path)), dim=2)
        told = float(theirs.abs().mean()), float(ours.abs().mean())
        yield f"ImageBind's pictures of {path.stem}", "imagebind-packaged", *told


def front_ends() -> Iterator[Row]:
    """aiSFX's spectrogram: the mean of its first patch."""
    import essentia
    from essentia import standard

    essentia.log.infoActive = False
    noise = _noise(10, aisfx.SAMPLE_RATE)
    window, spectrum = standard.Windowing(type="hann", normalized=False), standard.Spectrum()
    bands = standard.MelBands(
        inputSize=1025, numberBands=96, sampleRate=44_100, lowFrequencyBound=0,
        highFrequencyBound=22_050, warpingFormula="htkMel", weighting="warping",
        normalize="unit_sum", type="power", log=False,
    )  # fmt: skip
    frames = standard.FrameGenerator(noise, frameSize=2048, hopSize=1024)
    rows = [np.log10(bands(spectrum(window(frame))) * 1e4 + 1) for frame in frames][:100]
    theirs = float(np.mean(rows) / aisfx.LARGEST)
    yield "aiSFX spectrogram", "essentia", theirs, float(aisfx.mel_patches(noise)[0].mean())


def films(paths: list[Path]) -> Iterator[Row]:
    """AV-Align by librosa and OpenCV as TempoTokens' scripts call them."""
    import cv2
    import librosa

    for path in paths:
        rate = av_align.AUDIO.sample_rate
        waveform = read_sound(path, rate)
        strength = librosa.onset.onset_strength(y=waveform, sr=rate)
        frames = librosa.onset.onset_detect(onset_envelope=strength, sr=rate)
        times, found = (
            librosa.frames_to_time(frames, sr=rate),
            av_align.find_peaks_of_sound(waveform),
        )
        yield f"onsets of {path.stem}", "librosa", times.sum(), found.sum()
        capture = cv2.VideoCapture(str(path))
        fps, grays = capture.get(cv2.CAP_PROP_FPS), []
        while len(grays) < 120 and (read := capture.read())[0]:
            grays.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY))
        curve = [_flow(cv2, a, b) for a, b in pairwise(grays)]
        curve = np.array(curve[:1] + curve)
        times = times[times < len(curve) / fps]
        ours = av_align.flow_curve(path)[: len(curve)]
        found = found[found < len(curve) / fps]
        for version in (2025, 2023):
            theirs = _script(times, curve, fps, version)
            exact = float(av_align.frame_rate_of(path))
            score = av_align.av_align(found, ours, exact, version)
            yield f"AV-Align {version} of {path.stem}", "opencv-python-headless", theirs, score


def _flow(cv2: ModuleType, a: np.ndarray, b: np.ndarray) -> float:
    flow = cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 15, 3, 5, 1.2, 0)
    return cv2.mean(cv2.magnitude(flow[..., 0], flow[..., 1]))[0]


def _script(onsets: np.ndarray, curve: np.ndarray, fps: float, version: int) -> float:
    """The published rule in the plainest words, loop for loop."""
    least = 0.1 if version == 2025 else 0.0
    inner = range(1, len(curve) - 1)
    peaks = [i for i in inner if curve[i - 1] < curve[i] > curve[i + 1] and curve[i] >= least]
    used: set[int] = set()
    shared = 0
    for onset in onsets:
        for peak in peaks:
            free = version == 2023 or peak not in used
            if free and peak / fps - 1 / fps < onset < peak / fps + 1 / fps:
                used.add(peak)
                shared += 1
                break
    return shared / (len(onsets) + len(peaks) - shared)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--synchformer", type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    clips = asked.clips
    for name in UNUSED:
        sys.modules.setdefault(name, MagicMock())
    print("| what | package | theirs | ours |\n|---|---|---|---|")
    parts: list[Callable[[], Iterator[Row]]] = [
        sets, fad, divergences, onsets, loudness, highlights, networks, front_ends,
        lambda: films(clips), passts, imagebinds, lambda: looks(clips), films_seen,
    ]  # fmt: skip
    if asked.synchformer:
        from synchformer import compare

        parts.append(lambda: compare(asked.synchformer))
    for part in parts:
        try:
            for what, package, theirs, ours in part():
                version = "" if "/" in package else f" {importlib.metadata.version(package)}"
                print(f"| {what} | {package}{version} | {theirs:.7g} | {ours:.7g} |", flush=True)
        except ImportError as error:
            print(f"left out: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
