"""Distil the video encoder of the full-size model: close-ups and camera moves seen as the whole.

    foley data prepare VGGSOUND shards --table CSV --parts frames
    foley train distill --preset paper --data shards --model diff-foley --out runs/student

The student is a copy of the frozen teacher; it sees the whole picture or, with probability k, a
close-up or a camera move of it, and learns the teacher's rows of the whole. ``runs/student/bundle``
is the model with the student in its teacher's place, for ``foley gen --model``.

Source: arXiv 2507.02271, section 3.2. Open there, and decided here: batch norms keep the teacher's
statistics, so that the student begins as the teacher itself and a batch's company changes nothing;
the rows compared are those before they are made unit length.
"""

from collections.abc import Collection
from copy import deepcopy
from dataclasses import asdict, replace
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cosine_similarity, mse_loss

from foleycli.config import FRAMES, CavpDistillTraining, DistillTraining, SelectTraining
from foleycli.errors import UsageError
from foleycli.frames.windows import KINDS as VIEWS
from foleycli.frames.windows import clip_random, draw_view, vary_frames
from foleycli.models.bundle import CARD, FORMAT, Bundle, write_bundle
from foleycli.sight.cavp import Cavp
from foleycli.sources.identity import find_folder
from foleycli.sources.public import load_part
from foleycli.train.prepare import Prepared, PreparedClip
from foleycli.train.run import Run, RunOptions

SCREEN = (1280, 720)  # prepared frames are square; films are taken to be wide, and moves go across
KINDS = {kind: (kind,) for kind in VIEWS} | {"both": ("cu", "cm"), "all": VIEWS}  # of a variation
OF_SMALL = ("cu", "cm", "both")  # what photographs and rendered scenes are seen through
Pixels = NDArray[np.uint8]


def train(
    clips: Path, model: str, out: Path, config: CavpDistillTraining, options: RunOptions
) -> Path:
    """Train, or go on; the path of the finished bundle.

    Args:
        clips: what ``foley data prepare`` wrote, with frames.
        model: the teacher: a bundle's folder or an installed model's name.

    Raises:
        UsageError: there is nothing to learn from.
        ModelError: the teacher is not there, or has no video encoder.
    """
    check_variation(config)
    prepared = Prepared(clips, ("frames",))
    if "frames" not in prepared.settings["parts"]:
        raise UsageError(f"{clips} was prepared without frames.", "Prepare it with --parts frames.")
    order = lru_cache(2)(partial(prepared.order, options.seed))
    count = len(order(0))
    if not count:
        raise UsageError(f"{clips} holds held-out clips only.", "Prepare more films.")
    if not config.updates:
        config = replace(config, updates=-(-config.epochs * count // config.batch))
    bundle = Bundle.open(find_folder(model))
    with Run(out, "distill", config, options) as run:
        # who teaches and who learns
        teacher = cast(Cavp, load_part(bundle, "cavp", torch.float32)).to(run.device)
        student = deepcopy(teacher)
        for part in (student.video_encoder, student.video_project_head):
            part.requires_grad_(True)
        learned = [weight for weight in student.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(learned, config.rate, weight_decay=config.weight_decay)
        chance = np.random.default_rng(run.seed)
        run.begin({"student": student}, {"optimizer": optimizer}, {"chance": chance})

        # learn
        loss = torch.zeros(())
        while run.goes_on():
            run.set_rate(optimizer)
            for part in range(config.accumulate):
                lessons = [
                    draw_lesson(prepared[order(epoch)[n]], epoch, config, options.seed, chance)
                    for epoch, n in places(run, part, count)
                ]
                whole, seen = (
                    torch.from_numpy(np.stack(frames)).permute(0, 1, 4, 2, 3).to(run.device)
                    for frames in zip(*lessons, strict=True)
                )
                with run.autocast():
                    with torch.no_grad():
                        taught = teacher.encode_frames(whole)
                    loss = distillation_loss(student.encode_frames(seen), taught)
                (loss / config.accumulate).backward()
            run.step(optimizer)
            run.end_update(loss=loss.detach())

        if run.rank == 0:
            write_student(bundle, student, out / "bundle", config, run.done)
        return out / "bundle"


def distillation_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """(1 - cos) + MSE between rows (..., size): arXiv 2507.02271, equation 3."""
    return (1 - cosine_similarity(student, teacher, dim=-1)).mean() + mse_loss(student, teacher)


def kind_of(config: DistillTraining, chance: np.random.Generator) -> str:
    """What the student is shown of an example: full, or a kind of view; two draws, always.

    Raises:
        UsageError: the configuration names no such variation.
    """
    check_variation(config)
    known = KINDS[config.variation]
    varied, which = chance.random() < config.proportion, int(chance.integers(max(2, len(known))))
    return known[which % len(known)] if varied else "full"


def check_variation(config: DistillTraining, known: Collection[str] = KINDS.keys()) -> None:
    """Before what takes long.

    Raises:
        UsageError: the configuration names no such variation.
    """
    if config.variation not in known:
        raise UsageError(
            f"There is no variation {config.variation!r} here.", f"Choose {' or '.join(known)}."
        )


def places(run: Run, part: int, count: int) -> list[tuple[int, int]]:
    """(epoch, place within it) of the examples of this process in one part of an update."""
    first = run.done * run.config.batch + (part * run.world + run.rank) * run.share
    return [divmod(first + n, count) for n in range(run.share)]


def draw_lesson(
    clip: PreparedClip,
    epoch: int,
    config: CavpDistillTraining | SelectTraining,
    seed: int,
    chance: np.random.Generator,
) -> tuple[Pixels, Pixels]:
    """(frames, 224, 224, 3) of a clip: the whole, and what the student sees of it."""
    whole = _span(clip, config.frames, chance)
    kind = kind_of(config, chance)
    if kind == "full":
        return whole, whole
    times = [Fraction(n, FRAMES.frame_rate) for n in range(len(whole))]
    random = clip_random(seed, f"{epoch}:{clip.id}")
    view = draw_view(kind, *SCREEN, len(whole) / FRAMES.frame_rate, random, config.cinematic)
    return whole, vary_frames(whole, times, view)


def _span(clip: PreparedClip, count: int, chance: np.random.Generator) -> Pixels:
    """Some frames in a row; a shorter clip is repeated, as the teacher's training did."""
    if clip.frames is None:
        raise UsageError(f"{clip.id} has no frames.", "Prepare the films with --parts frames.")
    first = int(chance.integers(max(1, len(clip.frames) - count + 1)))
    return clip.frames[np.arange(first, first + count) % len(clip.frames)]


def write_student(
    bundle: Bundle, student: Cavp, folder: Path, config: CavpDistillTraining, updates: int
) -> Bundle:
    """The teacher's bundle with the student's weights where its video encoder was."""
    tensors = {
        f"{part}.{name}": tensor
        for part in bundle.config["parts"]
        for name, tensor in bundle.tensors(part).items()
    }
    for name, tensor in student.state_dict().items():
        if f"cavp.{name}" in tensors:
            tensors[f"cavp.{name}"] = tensor.detach().cpu().to(tensors[f"cavp.{name}"].dtype)
    facts = {"teacher": bundle.fingerprint, "updates": updates, **asdict(config)}
    about = {**bundle.config, "distilled": facts}
    card = (bundle.folder / CARD).read_text("utf-8") if (bundle.folder / CARD).exists() else ""
    note = (
        f"\n## Distilled\nIts video encoder is a student ({config.variation}, k = "
        f"{config.proportion:g}, {updates} updates of {config.batch}) of the model with sha256 "
        f"{bundle.fingerprint}; see arXiv 2507.02271 and `foley train distill`.\n"
    )
    assert bundle.config["format"] == FORMAT
    return write_bundle(folder, about, tensors, card + note, overwrite=True)
