"""Distil the eyes of SelVA's family, Synchformer's MotionFormer, as `distill` does CAVP's.

    foley train distill --preset paper --encoder synchformer --films FILMS --out runs/eyes

The method of arXiv 2507.02271 on another encoder: the student is a copy of the frozen teacher, it
sees a film whole or, with probability k, otherwise, and learns the teacher's rows of the whole
(loss: (1 - cos) + MSE, equation 3). Frames come 25 a second out of the films themselves, each view
cut from the film's own pixels. ``runs/eyes/bundle`` is the model with the student's eyes; what
reads words in them, pooling included, is the model's own and stays as it is.
"""

import zlib
from copy import deepcopy
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from foleycli.clip.find import find_clips
from foleycli.clip.probe import Clip, probe
from foleycli.config import SynchformerDistillTraining
from foleycli.errors import MediaError, UsageError
from foleycli.frames.decode import decode_pictures
from foleycli.frames.windows import View, clip_window, crop_for
from foleycli.models.bundle import Bundle
from foleycli.sight.motionformer import FRAME_RATE, SEGMENT, STEP, Motionformer
from foleycli.sight.selva import SelvaEncoder, segments_of
from foleycli.sources.identity import SELVA, find_family, find_folder
from foleycli.sources.selva import tick_frames
from foleycli.sources.selva_public import load_selva
from foleycli.train.distill import check_variation, distillation_loss, kind_of
from foleycli.train.run import Run, RunOptions
from foleycli.train.select import write_learned

HELD_OUT = 8  # films that are measured on
NOTE = """## Distilled
Its eyes are a student's ({updates} updates of {batch}, of the model with sha256 {base}): see arXiv
2507.02271 and `foley train distill --encoder synchformer`.
"""


def train(
    films: Path, model: str, out: Path, config: SynchformerDistillTraining, options: RunOptions
) -> Path:
    """Train, or go on; the folder of the bundle.

    Args:
        films: a folder of films; those whose name has a crc32 that is a multiple of ten are held
            out.
        model: the teacher: a bundle's folder or an installed model's name.

    Raises:
        UsageError: the bundle is of another family.
        MediaError: there is no film to learn from.
    """
    check_variation(config)
    folder = find_folder(model)
    if find_family(folder) != SELVA:
        raise UsageError(f"{model} has no such eyes.", "Give selva, or a bundle made of it.")
    bundle = Bundle.open(folder)
    found = find_clips([films])
    held_out = [film for film in found if zlib.crc32(film.name.encode()) % 10 == 0]
    seen = [film for film in found if film not in held_out]
    if not seen:
        raise MediaError(f"{films} holds held-out films only.", "Give more films.")
    if not config.updates:
        config = replace(config, updates=-(-config.epochs * len(seen) // config.batch))
    with Run(out, "distill-synchformer", config, options) as run:
        # who teaches and who learns
        encoder = cast(SelvaEncoder, load_selva(bundle, "encoder", torch.float32)).to(run.device)
        teacher = encoder.vfeat_extractor.eval().requires_grad_(False)
        student = deepcopy(teacher)
        learned = [
            weight.requires_grad_(True)
            for name, weight in student.named_parameters()
            # of still pictures, and what is SelVA's own
            if not name.startswith(("patch_embed.", "spatial_attn_agg."))
        ]
        optimizer = torch.optim.AdamW(learned, config.rate, weight_decay=config.weight_decay)
        chance = np.random.default_rng(run.seed)
        run.begin({"student": student}, {"optimizer": optimizer}, {"chance": chance})

        # learn
        while run.goes_on():
            run.set_rate(optimizer)
            for part in range(config.accumulate):
                first = run.done * config.batch + (part * run.world + run.rank) * run.share
                drawn = [
                    draw_lesson(film, kind_of(config, chance), epoch, config, chance)
                    for epoch, film in (
                        in_order(seen, options.seed, first + n) for n in range(run.share)
                    )
                ]
                with run.autocast():
                    loss = loss_of(student, teacher, drawn)
                run.backward(loss)
            run.step(optimizer)
            run.end_update()
            if run.is_due() and held_out:
                run.validated(**held_out_losses(student, teacher, held_out[:HELD_OUT], config))

        if run.rank == 0:
            encoder.vfeat_extractor.load_state_dict(student.state_dict())
            facts = {"updates": run.done, "seed": options.seed, **asdict(config)}
            write_learned(bundle, {"encoder": encoder}, out / "bundle", "distilled", facts, NOTE)
        return out / "bundle"


def in_order(films: list[Path], seed: int, number: int) -> tuple[int, Path]:
    """Epoch and film of an example by its number: every film once an epoch, in an order of its
    own, so that a run that stopped goes on with the next."""
    epoch, place = divmod(number, len(films))
    order = np.random.default_rng((seed, epoch)).permutation(len(films))
    return epoch, films[order[place]]


def draw_lesson(
    film: Path,
    kind: str,
    epoch: int,
    config: SynchformerDistillTraining,
    chance: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """(segments, 16, 3, 224, 224) uint8 of a stretch of a film: the whole, and what the student
    sees of it."""
    clip = probe(film)
    room = max(0.0, float(clip.duration or 0) - config.seconds)
    start = Fraction(chance.random() * room).limit_denominator(1000)
    whole = read_segments(clip, start, config.seconds)
    if kind == "full":
        return whole, whole
    cinematic = replace(config.cinematic, seed=config.cinematic.seed + epoch)
    view = clip_window(kind, clip, film.stem, cinematic)
    return whole, read_segments(clip, start, config.seconds, view)


def read_segments(clip: Clip, start: Fraction, seconds: float, view: View | None = None) -> Tensor:
    """Some seconds of a film as overlapping segments; the last frame of a shorter one is held."""
    end = start + Fraction(seconds).limit_denominator(1000)
    crop = crop_for(clip, view) if view is not None else None
    count = max(SEGMENT, round(seconds * FRAME_RATE))
    frames = list(tick_frames(decode_pictures(clip, start, end, crop)))[:count]
    frames += [frames[-1]] * (count - len(frames))
    return segments_of(torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2), SEGMENT, STEP)


def loss_of(
    student: Motionformer, teacher: Motionformer, drawn: list[tuple[Tensor, Tensor]]
) -> Tensor:
    """How far the student's rows of views are from the teacher's of the whole."""
    device = next(teacher.parameters()).device
    whole, seen = (torch.cat(part).to(device) for part in zip(*drawn, strict=True))
    with torch.no_grad():
        taught = teacher(whole)
    return distillation_loss(student(seen).float(), taught.float())


@torch.no_grad()
def held_out_losses(
    student: Motionformer,
    teacher: Motionformer,
    films: list[Path],
    config: SynchformerDistillTraining,
) -> dict[str, float]:
    """The loss on held-out films, in each kind of view by itself."""
    losses = {}
    for kind in ("full", "cu", "cm"):
        chance = np.random.default_rng(0)
        drawn = [draw_lesson(film, kind, 0, config, chance) for film in films]
        losses[kind] = float(np.mean([loss_of(student, teacher, [one]) for one in drawn]))
    return {"loss": losses["cu"] + losses["cm"], **losses}
