"""Distil the encoder that sees what is there: the whole picture's features, from a part of it.

    foley train distill --part what --photos PHOTOS --kept runs/views --out runs/what_cu

A still that is cropped and panned is a close-up and a camera move. The student learns the teacher's
pooled features of the whole photograph (loss: (1 - cos) + MSE, arXiv 2507.02271), of which the
teacher's own classifier then makes words: labels would teach it the thousand classes of these
photographs, features teach it what a part tells of a whole. All but the last blocks stay the
teacher's, as a thousand photographs cannot teach them; what they make of a view never changes, so
every view is drawn and read once and kept.
"""

import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import cosine_similarity

from foleycli.config import FRAMES, WhatDistillTraining
from foleycli.errors import UsageError
from foleycli.frames.windows import clip_random, draw_window
from foleycli.output import atomic_output
from foleycli.sight.efficientnet import EfficientNetLite
from foleycli.spot.encode import WHAT
from foleycli.spot.phrases import phrase_vectors
from foleycli.spot.what import class_sounds
from foleycli.train.distill import OF_SMALL, check_variation, distillation_loss, kind_of
from foleycli.train.listing import keep_settings
from foleycli.train.run import Run, RunOptions
from foleycli.train.views import content_name

HELD = 10  # of this many photographs one is held out, by the crc32 of its name
SIDE = 320  # pixels of a photograph's longer side
BATCH = 8  # pictures the teacher sees at once
SLIDE = 1.0  # seconds a window slides for; an instant of it is drawn
KINDS = ("full", "cu", "cm")


def train(
    photos: Path, kept: Path, out: Path, config: WhatDistillTraining, options: RunOptions
) -> Path:
    """Train, or go on; the path of the finished ``what.safetensors``.

    Args:
        photos: folder of .jpg photographs.
        kept: folder that keeps their views, for other students too.
    """
    check_variation(config, OF_SMALL)
    with Run(out, "distill-what", config, options) as run:
        # what is learned from
        with run.first_alone():
            keep_settings(kept, {"photos": content_name(photos)})
            views = read_views(photos, kept / "learned.safetensors", config, False)
            held_out = read_views(photos, kept / "held_out.safetensors", config, True)

        # who learns; the teacher has spoken when the views were read
        student = EfficientNetLite.from_pretrained().to(run.device)
        learned = [*student.blocks[config.frozen :].parameters(), *student.head.parameters()]
        for weight in learned:
            weight.requires_grad_(True)
        average = run.average_of(student)
        optimizer = torch.optim.AdamW(learned, config.rate, weight_decay=config.weight_decay)
        chance = np.random.default_rng(run.seed)
        modules = {"student": student, "average": average}
        run.begin(modules, {"optimizer": optimizer}, {"chance": chance})

        # learn
        loss = torch.zeros(())
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                maps, taught = (
                    part.to(run.device) for part in views.draw(run.share, config, chance)
                )
                loss = distillation_loss(student.finish(maps, config.frozen)[0], taught)
                (loss / config.accumulate).backward()
            run.step(optimizer)
            run.follow(average, student)
            run.end_update(loss=loss.detach())
            if run.is_due():
                run.validated(**held_out_losses(average, held_out, config.frozen, run.device))

        path = out / WHAT
        if run.rank == 0:
            facts = {"updates": run.done, "seed": options.seed, **asdict(config)}
            save_student(path, average, facts)
        return path


def save_student(path: Path, student: EfficientNetLite, facts: dict) -> None:
    """All weights in half precision; what trained them in the metadata."""
    weights = {name: value.half().contiguous() for name, value in student.state_dict().items()}
    with atomic_output(path, overwrite=True) as beside:
        save_file(weights, beside, metadata={"trained": json.dumps(facts)})


@torch.no_grad()
def held_out_losses(
    student: EfficientNetLite, views: "Views", frozen: int, device: torch.device
) -> dict[str, float]:
    """``loss`` over close-ups and moves, and the cosine of rows of *what* to the teacher's, each
    kind by itself."""
    table = torch.from_numpy(class_sounds()[0] @ phrase_vectors()).to(device)

    def rows(features: Tensor) -> Tensor:
        return student.classify(features).softmax(dim=1) @ table

    found, losses = {}, []
    for kind in KINDS:
        maps, taught = (part.to(device) for part in views.every(kind))
        seen = student.finish(maps, frozen)[0]
        found[f"what_{kind}"] = float(cosine_similarity(rows(seen), rows(taught)).mean())
        losses.append(float(distillation_loss(seen, taught)))
    return {"loss": losses[1] + losses[2], **found}


@dataclass(frozen=True, slots=True)
class Views:
    """Views of photographs, in groups: the whole, then close-ups, then moves, as many of each.

    Attributes:
        maps: (n, channels, 7, 7) half precision, what the student's frozen blocks make of each.
        features: (n, 1280) of the teacher.
        each: close-ups of a photograph, and moves.
    """

    maps: Tensor
    features: Tensor
    each: int

    def draw(
        self, count: int, config: WhatDistillTraining, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Maps of what the student sees, and the teacher's features of the whole pictures."""
        size = 1 + 2 * self.each
        whole = rng.integers(len(self.maps) // size, size=count) * size
        first = np.array([self._first(kind_of(config, rng)) for _ in range(count)])
        seen = whole + first + (first > 0) * rng.integers(self.each, size=count)
        return self.maps[seen].float(), self.features[whole].float()

    def every(self, kind: str) -> tuple[Tensor, Tensor]:
        """The same for all views of a kind, in order."""
        size, count = 1 + 2 * self.each, 1 if kind == "full" else self.each
        whole = torch.arange(0, len(self.maps), size).repeat_interleave(count)
        seen = whole + self._first(kind) + torch.arange(count).repeat(len(whole) // count)
        return self.maps[seen].float(), self.features[whole].float()

    def _first(self, kind: str) -> int:
        return {"full": 0, "cu": 1, "cm": 1 + self.each}[kind]


def is_held_out(name: str) -> bool:
    """Whether a photograph serves for measuring only."""
    return zlib.crc32(name.encode()) % HELD == 0


def read_views(photos: Path, kept: Path, config: WhatDistillTraining, held_out: bool) -> Views:
    """Views of the photographs of a folder, from ``kept`` when they are there.

    Raises:
        UsageError: there is no photograph, or ``kept`` holds other views.
    """
    settings = json.dumps(
        {"each": config.views, "frozen": config.frozen, **asdict(config.cinematic)}
    )
    if not kept.exists():
        paths = [p for p in sorted(photos.glob("*.jpg")) if is_held_out(p.name) == held_out]
        if not paths:
            raise UsageError(f"{photos} has too few photographs (.jpg).", "Name another folder.")
        _write_views(paths, kept, config, settings)
    with safe_open(kept, "pt") as file:
        if file.metadata()["settings"] != settings:
            raise UsageError(f"{kept} was made with other settings.", "Give another --kept.")
        return Views(file.get_tensor("maps"), file.get_tensor("features"), config.views)


@torch.inference_mode()
def _write_views(paths: list[Path], kept: Path, config: WhatDistillTraining, settings: str) -> None:
    network = EfficientNetLite.from_pretrained().to(torch.bfloat16)
    maps, features = [], []
    for path in paths:
        with Image.open(path) as file:
            photo = file.convert("RGB")
        photo.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        views = torch.from_numpy(np.stack(draw_views(photo, path.name, config)))
        for batch in views.split(BATCH):
            frozen = network.read(batch, config.frozen)
            maps.append(frozen.half())
            features.append(network.finish(frozen, config.frozen)[0].half())
    with atomic_output(kept, overwrite=True) as beside:
        tensors = {"maps": torch.cat(maps).contiguous(), "features": torch.cat(features)}
        save_file(tensors, beside, metadata={"settings": settings})


def draw_views(photo: Image.Image, name: str, config: WhatDistillTraining) -> list[np.ndarray]:
    """A photograph, close-ups and instants of moves of it, each (224, 224, 3)."""
    across, down = photo.size
    views = [_squash(photo, (0, 0, across, down))]
    for kind in KINDS[1:]:
        for n in range(config.views):
            random = clip_random(config.cinematic.seed, f"{name} {kind} {n}")
            window = draw_window(kind, across, down, SLIDE, random, config.cinematic)
            left, top, width, height = window.at(SLIDE * random.random())
            views.append(_squash(photo, (left, top, left + width, top + height)))
    return views


def _squash(photo: Image.Image, box: tuple[float, float, float, float]) -> np.ndarray:
    size = (FRAMES.size, FRAMES.size)
    return np.asarray(photo.resize(size, Image.Resampling.BILINEAR, box))
