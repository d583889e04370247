"""Where an encoder looks: Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391) over a clip's moments.

Figure 6 of arXiv 2507.02271. The paper does not say which number its heat explains, so that is an
option: ``top``, the logit of the likeliest class; ``norm``, the length of the feature; ``self``,
its cosine to the mean feature of the clip; ``full``, to the teacher's feature of the whole frame.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol, cast

import matplotlib
import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import cosine_similarity, relu, relu6

from foleycli.clip.probe import probe
from foleycli.config import CINEMATIC, FRAMES
from foleycli.errors import MediaError, UsageError
from foleycli.evaluate.contestants import ENCODERS, FULL
from foleycli.evaluate.timing import find_onsets, onset_strength
from foleycli.frames.decode import Crop, decode_pictures
from foleycli.frames.windows import KINDS, clip_window, crop_for
from foleycli.models.bundle import Bundle
from foleycli.output import atomic_output
from foleycli.sight.cavp import Cavp
from foleycli.sight.efficientnet import open_networks
from foleycli.sources.identity import DIFF_FOLEY, find_family, find_folder
from foleycli.sources.public import load_part
from foleycli.spot.encode import WHAT, what_sees
from foleycli.waveform.sound import read_sound

TARGETS = ("top", "norm", "self", "full")
Frames = NDArray[np.uint8]  # (n, 224, 224, 3)
HEAT = 0.55  # how much of the heat's colour covers the picture at most


class Looker(Protocol):
    """An encoder, parted where its last maps are."""

    def maps(self, frames: Frames) -> Tensor:
        """(n, channels, height, width), of the last convolution."""
        ...

    def feature(self, maps: Tensor) -> Tensor:
        """(n, size)"""
        ...

    def logits(self, feature: Tensor) -> Tensor | None:
        """(n, classes); None: it names nothing."""
        ...


class EfficientNetLooker:
    """The networks that say what is seen, side by side."""

    def __init__(self, encoder: str) -> None:
        self._networks = [network.float() for network in open_networks(*what_sees(encoder))]

    def maps(self, frames: Frames) -> Tensor:
        """(n, 1280 for each network, 7, 7)"""
        pictures = torch.from_numpy(frames)
        maps = [net.head(net.read(pictures, len(net.blocks))) for net in self._networks]
        return relu6(torch.cat(maps, 1))

    def feature(self, maps: Tensor) -> Tensor:
        """(n, 1280 for each network)"""
        return maps.mean((2, 3))

    def logits(self, feature: Tensor) -> Tensor:
        """(n, 1000): of the mean of their shares."""
        parts = feature.chunk(len(self._networks), 1)
        shares = [
            net.classify(part).softmax(1) for net, part in zip(self._networks, parts, strict=True)
        ]
        return (torch.stack(shares).mean(0) + 1e-12).log()


class CavpLooker:
    """The video encoder of diff-foley."""

    def __init__(self, folder: Path) -> None:
        self._cavp = cast(Cavp, load_part(Bundle.open(folder), "cavp", torch.float32))
        self._cavp.eval()

    def maps(self, frames: Frames) -> Tensor:
        """(n, 2048, 7, 7), each having seen 9 frames to either side."""
        found: list[Tensor] = []
        last = list(self._cavp.video_encoder.get_submodule("layer4").children())[-1]

        def keep(module: object, given: object, made: Tensor) -> None:
            found.append(made)

        hook = last.register_forward_hook(keep)  # type: ignore[arg-type]
        pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
        self._cavp.video_encoder(pictures[None])
        hook.remove()
        return found[0]

    def feature(self, maps: Tensor) -> Tensor:
        """(n, 512)"""
        return self._cavp.video_project_head(maps.mean((2, 3)))

    def logits(self, feature: Tensor) -> None:
        """It names nothing."""
        return


@dataclass(frozen=True, slots=True)
class Heat:
    """Where an encoder looked."""

    maps: NDArray[np.float32]  # (n, height, width), 0 to 1, the hottest place of the clip 1
    frames: Frames


def open_looker(name: str) -> Looker:
    """An encoder by name: teacher, student, a distilled encoder's folder, or a model's.

    Raises:
        UsageError, ModelError: there is none of that name, or it is not installed.
    """
    if name in ENCODERS or (Path(name) / WHAT).is_file():
        return EfficientNetLooker(name)
    folder = find_folder(name)
    if find_family(folder) == DIFF_FOLEY:
        return CavpLooker(folder)
    return EfficientNetLooker("student")


def grad_cam(looker: Looker, frames: Frames, score: Callable[[Tensor], Tensor]) -> Heat:
    """Weigh the last maps by the mean slope of a score, and keep what speaks for it.

    Args:
        frames: (n, 224, 224, 3) uint8.
        score: features (n, size) -> (n,), the number that is explained for each frame.
    """
    with torch.no_grad():
        maps = looker.maps(frames)
    maps = maps.detach().requires_grad_()
    slopes = torch.autograd.grad(score(looker.feature(maps)).sum(), maps)[0]
    heat = relu((slopes.mean((2, 3), keepdim=True) * maps).sum(1)).detach()
    largest = float(heat.max())
    return Heat((heat / largest if largest > 0 else heat).numpy(), frames)


def make_score(
    target: str, looker: Looker, whole: Frames, teacher: Looker | None = None
) -> Callable[[Tensor], Tensor]:
    """The number of a frame that the heat explains.

    Args:
        whole: the same moments uncropped, for ``full``.
        teacher: whose features of them are the aim; the encoder itself when None.

    Raises:
        UsageError: no such target, or the encoder names no classes.
    """
    if target == "norm":
        return lambda feature: feature.norm(dim=1)
    if target == "self":
        return lambda feature: cosine_similarity(feature, feature.detach().mean(0, keepdim=True))
    if target == "full":
        with torch.no_grad():
            aim = (teacher or looker).feature((teacher or looker).maps(whole))
        return lambda feature: cosine_similarity(feature, aim)
    if target != "top":
        raise UsageError(f"--target {target} is not known.", f"Give {', '.join(TARGETS)}.")

    def top(feature: Tensor) -> Tensor:
        logits = looker.logits(feature)
        if logits is None:
            raise UsageError("This encoder names no classes.", "Give --target norm, self or full.")
        return logits.max(dim=1).values

    return top


def draw_gradcam(
    clip: Path,
    encoders: Sequence[str],
    target: str,
    out: Path,
    *,
    variant: str = FULL,
    moments: int = 8,
    overwrite: bool = False,
) -> None:
    """Draw where encoders look at moments of a clip, a row each, over the clip's own sound.

    Raises:
        UsageError: no such encoder, target or variant, or no encoder at all.
        MediaError: the clip cannot be read.
    """
    if not encoders:
        raise UsageError("No encoder is named.", "Give --encoders teacher,student.")
    film = probe(clip)
    crop = None
    if variant in KINDS:
        crop = crop_for(film, clip_window(variant, film, clip.stem, CINEMATIC))
    elif variant != FULL:
        raise UsageError(f"--variant {variant} is not known.", f"Give full, {', '.join(KINDS)}.")
    seen = _frames(clip, crop)
    whole = seen if crop is None else _frames(clip, None)
    lookers = {name: open_looker(name) for name in encoders}
    teacher = lookers.get("teacher")
    heats = {}
    for name, looker in lookers.items():
        same = teacher if isinstance(looker, EfficientNetLooker) else None
        heats[name] = grad_cam(looker, seen, make_score(target, looker, whole, same))
    shown = np.linspace(0, len(seen) - 1, min(moments, len(seen))).round().astype(int)
    figure = _figure(clip, heats, shown, f"{clip.name}, {variant}: where encoders look ({target})")
    with atomic_output(out, overwrite=overwrite) as beside:
        figure.savefig(beside, dpi=110, format="png")


def _frames(clip: Path, crop: Crop | None) -> Frames:
    """Four a second."""
    rows = []
    for picture in decode_pictures(probe(clip), Fraction(0), crop=crop):
        if picture.rgb is not None:
            rows += [picture.rgb] * picture.repeats
    return np.stack(rows)


def _figure(clip: Path, heats: dict[str, Heat], shown: NDArray[np.intp], title: str) -> Figure:
    matplotlib.use("Agg")
    side, left = 1.45, 1.2
    sound = _own_sound(clip)
    size = left + side * len(shown), side * (len(heats) + 1) + 0.75 + (0.8 if sound else 0)
    figure = Figure(figsize=size)
    figure.suptitle(title, x=0.01, y=1 - 0.08 / size[1], ha="left", va="top", fontsize=12)
    bottom = (1.05 if sound else 0.1) / size[1]
    grid = figure.add_gridspec(
        len(heats) + 1, len(shown), left=left / size[0], right=0.995, bottom=bottom,
        top=1 - 0.62 / size[1], wspace=0.03, hspace=0.03,
    )  # fmt: skip
    frames = next(iter(heats.values())).frames
    onsets = sound[1] if sound else np.empty(0)
    for row, (name, heat) in enumerate([("seen", None), *heats.items()]):
        for column, at in enumerate(shown):
            axis = figure.add_subplot(grid[row, column])
            axis.imshow(_overlaid(frames[at], heat.maps[at] if heat else None))
            axis.set(xticks=[], yticks=[])
            time = (at + 0.5) / FRAMES.frame_rate
            heard = onsets.size and np.abs(onsets - time).min() <= 0.5 / FRAMES.frame_rate
            for spine in axis.spines.values():
                spine.set(color="#e8590c" if heard else "white", linewidth=2.5 if heard else 0)
            if not row:
                axis.set_title(f"{time:.2f} s", fontsize=9, color="#e8590c" if heard else "#475569")
            if not column:
                axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=11, labelpad=10)
    if sound:
        _draw_sound(figure, sound, shown, left / size[0], size[1], len(frames))
    return figure


def _own_sound(clip: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]] | None:
    try:
        samples = read_sound(clip)
    except MediaError:
        return None
    return samples, find_onsets(onset_strength(samples))


def _draw_sound(
    figure: Figure,
    sound: tuple[NDArray[np.float32], NDArray[np.float64]],
    shown: NDArray[np.intp],
    left: float,
    height: float,
    frames: int,
) -> None:
    samples, onsets = sound
    axis = figure.add_axes((left, 0.45 / height, 0.995 - left, 0.5 / height))
    times = np.arange(len(samples)) / 16_000
    axis.plot(times[::8], samples[::8], linewidth=0.4, color="#475569")
    for onset in onsets:
        axis.axvline(onset, color="#e8590c", linewidth=0.8)
    axis.plot((shown + 0.5) / FRAMES.frame_rate, np.zeros(len(shown)), "v", color="#2563eb", ms=6)
    axis.set(xlim=(0, frames / FRAMES.frame_rate), yticks=[])
    axis.set_xlabel("seconds of the own sound; orange: its onsets, and moments that hold one; "
                    "blue: the moments shown", fontsize=9, color="#475569")  # fmt: skip
    axis.set_ylabel("sound", rotation=0, ha="right", va="center", fontsize=11, labelpad=10)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _overlaid(frame: NDArray[np.uint8], heat: NDArray[np.float32] | None) -> NDArray[np.uint8]:
    if heat is None:
        return frame
    large = Image.fromarray(heat).resize(frame.shape[1::-1], Image.Resampling.BICUBIC)
    strength = np.clip(np.asarray(large), 0, 1)[..., None]
    colors = colormaps["turbo"](strength[..., 0])[..., :3] * 255
    cover = HEAT * np.sqrt(strength)
    gray = frame.mean(axis=2, keepdims=True) * 0.35 + frame * 0.65
    return ((1 - cover) * gray + cover * colors).astype(np.uint8)
