"""Distil the reader of motion: what it finds in a whole scene, from a close-up or a moving window.

    foley train distill --part when --photos PHOTOS --kept runs/scenes --out runs/when_cu

Scenes are rendered (see `train.scenes`) and seen whole, close up and through a sliding window; the
student learns to give the teacher's curve of the whole (loss: (1 - cos) + MSE, arXiv 2507.02271).
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from foleycli.config import WhenDistillTraining
from foleycli.sight.motion import CHANNELS, COLUMNS, ROWS
from foleycli.sight.track import RATE
from foleycli.sight.when_net import STEP, net_inputs
from foleycli.spot.encode import teacher_file
from foleycli.train.distill import OF_SMALL, check_variation, distillation_loss, kind_of
from foleycli.train.networks import WhenNet, load_when, save
from foleycli.train.run import Run, RunOptions
from foleycli.train.views import POINTS, VIEWS, SeenScene, render_all


def train(
    photos: Path, scenes: Path, out: Path, config: WhenDistillTraining, options: RunOptions
) -> Path:
    """Train, or go on; the path of the finished ``when.safetensors``.

    Args:
        photos: scenery and actors of the scenes.
        scenes: folder that keeps what is rendered, for other students too.
        out: folder of the run.
    """
    check_variation(config, OF_SMALL)
    with Run(out, "distill-when", config, options) as run:
        # what is learned from
        with run.first_alone():
            seen, unseen = render_all(photos, scenes, config.shards, options.seed)
        teacher = load_when(teacher_file()).to(run.device).requires_grad_(False)
        held_out = [Lesson.of(scene, teacher) for scene in unseen]
        examples = [Lesson.of(scene, teacher) for scene in seen]

        # who learns
        student = deepcopy(teacher).requires_grad_(True)
        average = run.average_of(student)
        optimizer = torch.optim.AdamW(
            student.parameters(), config.rate, weight_decay=config.weight_decay
        )
        chance = np.random.default_rng(run.seed)
        run.begin({"net": student, "average": average}, {"optimizer": optimizer}, {"r": chance})

        # learn
        loss = torch.zeros(())
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                picked = [examples[i] for i in chance.integers(len(examples), size=run.share)]
                views = [kind_of(config, chance) for _ in picked]
                loss = loss_of(student, picked, views, run.device, chance.random() < 0.5)
                (loss / config.accumulate).backward()
            run.step(optimizer)
            run.follow(average, student)
            run.end_update(loss=loss.detach())
            if run.is_due():
                losses = {
                    kind: held_out_loss(average, held_out, kind, run.device) for kind in VIEWS
                }
                run.validated(loss=losses["cu"] + losses["cm"], **losses)

        path = out / "when.safetensors"
        if run.rank == 0:
            save(average, path, scenes=len(examples), updates=run.done)
        return path


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the network sees of a scene, view by view, and what the teacher makes of the whole."""

    inputs: dict[str, tuple[Tensor, Tensor]]  # half precision, of `net_inputs`
    taught: Tensor  # (POINTS,) likelihood of a hit

    @classmethod
    @torch.no_grad()
    def of(cls, scene: SeenScene, teacher: WhenNet) -> "Lesson":
        points = (np.arange(POINTS) + 0.5) / RATE
        steps = points[::STEP] + (STEP - 1) / (2 * RATE)
        inputs = {}
        for view, track in scene.views.items():
            cells, whole = (torch.from_numpy(part) for part in net_inputs(track, steps))
            inputs[view] = cells.half(), whole.half()
        device = next(teacher.parameters()).device
        seen = (part[None].float().to(device) for part in inputs["full"])
        return cls(inputs, teacher(*seen)[0][0].sigmoid().cpu())


def loss_of(
    student: WhenNet,
    lessons: list[Lesson],
    views: list[str],
    device: torch.device,
    mirrored: bool = False,
) -> Tensor:
    """How far the student's curves of views are from the teacher's of the whole."""
    seen = [lesson.inputs[view] for lesson, view in zip(lessons, views, strict=True)]
    cells, whole = (torch.stack(part).float() for part in zip(*seen, strict=True))
    if mirrored:
        cells = cells.unflatten(3, (ROWS, COLUMNS)).flip(4).flatten(3)
        cells[:, CHANNELS.index("right")] *= -1
        whole[:, 0] *= -1
    taught = torch.stack([lesson.taught for lesson in lessons]).to(device)
    return distillation_loss(student(cells.to(device), whole.to(device))[0].sigmoid(), taught)


@torch.no_grad()
def held_out_loss(
    student: nn.Module, lessons: list[Lesson], view: str, device: torch.device
) -> float:
    """The same over held-out scenes, all in one view."""
    return float(loss_of(cast(WhenNet, student), lessons, [view] * len(lessons), device))
