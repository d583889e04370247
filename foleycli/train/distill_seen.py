"""Distil the encoder that ships, on films and photographs: what is in the whole, from a part.

    foley train distill --part seen --films FILMS --photos PHOTOS --kept KEPT --out runs/seen

The teacher is the published networks on whole pictures, their classes averaged; the student is
those networks on close-ups and moves of them, and a head over what they hold (`spot.seen`). The
networks stay as they are, so that each view is looked at once and kept (`train.glances`) and a run
takes minutes. The loss is the cross entropy with the teacher's classes, of which all that ships is
made; the paper's (arXiv 2507.02271, equation 3) is for rows that are no probabilities. Held out are
the films of some sources and a tenth of the photographs.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from foleycli.config import SeenDistillTraining
from foleycli.errors import UsageError
from foleycli.output import atomic_output
from foleycli.sight.lite import CLASSES, HEAD, published_weights
from foleycli.spot.encode import SHIPPED, read_facts
from foleycli.spot.seen import LEAST, SEEN
from foleycli.train.distill import OF_SMALL, check_variation, kind_of
from foleycli.train.glances import KINDS, Glance, Glanced, glance_all
from foleycli.train.run import Run, RunOptions

ROWS = 16  # of a film that are shown together: 8 s


class SeenNet(nn.Module):
    """The head of `foleycli.spot.seen.SeenHead`, as it learns.

    Args:
        networks: whose embeddings it reads.
        size: of what it reads of them.
    """

    middle: Tensor
    spread: Tensor

    def __init__(self, networks: int, size: int, drop: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("middle", torch.zeros(networks * HEAD))
        self.register_buffer("spread", torch.ones(networks * HEAD))
        self.read = nn.Linear(networks * HEAD, size)
        self.turn = nn.Linear(size, networks * HEAD)  # of embeddings, of which classes are made
        self.score = nn.Linear(size, 1, bias=False)
        self.mix = nn.Linear(size, 2)
        self.drop = drop
        for layer in (self.turn, self.score, self.mix):  # it begins as its teacher
            for weight in layer.parameters():
                nn.init.zeros_(weight)

    def told(self, classify: Tensor) -> tuple[Tensor, Tensor]:
        """What is added to logarithms: (size, 1000) of what is read, and (1000,) always.

        Args:
            classify: (networks * 1280, 1000), what the networks make classes of.
        """
        return self.turn.weight.T @ classify, self.turn.bias @ classify

    def forward(
        self, embeddings: Tensor, shares: Tensor, seen: Tensor, told: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Logarithms of probabilities (shots, rows, 1000).

        Args:
            embeddings: (shots, rows, networks * 1280)
            shares: (shots, rows, 1000), the published networks' mean.
            seen: (shots, rows), which rows there are.
            told: see `told`.
        """
        rows = F.dropout((embeddings - self.middle) / self.spread, self.drop, self.training)
        x = self.read(rows)
        inner = F.dropout(x * torch.sigmoid(1.702 * x), self.drop, self.training)
        scores = self.score(inner)[..., 0].masked_fill(~seen, -torch.inf)
        around = scores.softmax(1)[:, None] @ shares
        own, shot = self.mix(inner).unbind(-1)
        logits = (1 + own)[..., None] * (shares + LEAST).log()
        logits = logits + shot[..., None] * (around + LEAST).log()
        return (logits + inner @ told[0] + told[1]).log_softmax(-1)


def train(
    films: Path | None,
    photos: Sequence[Path],
    kept: Path,
    out: Path,
    config: SeenDistillTraining,
    options: RunOptions,
) -> Path:
    """Train, or go on; the path of the finished ``seen.safetensors``.

    Args:
        films: folder of films; its ``video.csv`` says what each is a piece of.
        photos: folders of photographs.
        kept: keeps what was seen of both, for other students too.

    Raises:
        UsageError: there is nothing to learn from.
    """
    check_variation(config, OF_SMALL)
    with Run(out, "distill-seen", config, options) as run:
        # what is learned from
        with run.first_alone():
            found = [
                item
                for kind, folders in (("films", [films] if films else []), ("photos", photos))
                if folders
                for item in glance_all(folders, kept / kind, config.windows, config.cinematic)
            ]
        versions = read_facts(SHIPPED)["versions"]
        classify = [published_weights(version) for version in versions]
        heads = Heads.of([(c["classify.weight"], c["classify.bias"]) for c in classify])
        held_out = [item for item in found if is_held_out(item, config.held)]
        learned = pick([item for item in found if not is_held_out(item, config.held)], config)
        if not learned:
            raise UsageError("There is nothing to learn from.", "Give --films or --photos.")
        lessons = [Lesson.of(item, heads) for item in learned]
        tests = [Lesson.of(item, heads) for item in held_out]

        # who learns; the teacher has spoken when the lessons were made
        student = SeenNet(len(versions), config.size, config.drop).to(run.device)
        rows = torch.cat(
            [piece.embeddings for lesson in lessons for piece in lesson.pieces["full"]]
        )
        student.middle.copy_(rows.float().mean(0))
        student.spread.copy_(rows.float().std(0) + 1e-3)
        average = run.average_of(student).eval()
        optimizer = torch.optim.AdamW(
            student.parameters(), config.rate, weight_decay=config.weight_decay
        )
        chance = np.random.default_rng(run.seed)
        modules = {"student": student, "average": average}
        run.begin(modules, {"optimizer": optimizer}, {"chance": chance})

        # learn
        films_of, stills = ([n for n, x in enumerate(lessons) if x.film == kind] for kind in (1, 0))
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                drawn = []
                for _ in range(run.share):
                    film = bool(films_of) and (not stills or chance.random() < config.filmed)
                    number = int(chance.choice(films_of if film else stills))
                    drawn.append(lessons[number].draw(kind_of(config, chance), chance))
                run.backward(loss_of(student, drawn, heads))
            run.step(optimizer)
            run.follow(average, student)
            run.end_update()
            if run.is_due() and tests:
                run.validated(**held_out_scores(average, tests, heads))

        path = out / SEEN
        if run.rank == 0:
            facts = {
                "updates": run.done,
                "seed": options.seed,
                "films": len(films_of),
                "photographs": len(stills),
                "versions": versions,
                **asdict(config),
            }
            save_head(path, average, heads, facts)
        return path


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """What the published networks make classes of.

    Attributes:
        weights: (networks * 1280, 1000), divided by how many they are.
        each: of every network, weight (1000, 1280) and bias.
    """

    weights: Tensor
    each: list[tuple[Tensor, Tensor]]

    @classmethod
    def of(cls, heads: Sequence[tuple[np.ndarray, np.ndarray]]) -> "Heads":
        each = [
            (torch.from_numpy(weight.copy()).float(), torch.from_numpy(bias.copy()).float())
            for weight, bias in heads
        ]
        return cls(torch.cat([weight.T for weight, _ in each]) / len(each), each)

    def shares(self, embeddings: Tensor) -> Tensor:
        """(n, networks * 1280) -> their mean probabilities (n, 1000)."""
        parts = embeddings.float().unflatten(1, (len(self.each), -1)).unbind(1)
        logits = [part @ w.T + b for part, (w, b) in zip(parts, self.each, strict=True)]
        return torch.stack([one.softmax(1) for one in logits]).mean(0)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Rows of one shot in one view, and what the teacher sees there of the whole."""

    embeddings: Tensor  # (rows, networks * 1280)
    shares: Tensor  # (rows, 1000) half precision
    taught: Tensor  # (rows, 1000)


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A film or a photograph, by view and shot."""

    film: bool
    pieces: dict[str, list[Piece]]

    @classmethod
    def of(cls, item: Glanced, heads: Heads) -> "Lesson":
        film = len(item.whole.seen) > 1
        taught = heads.shares(_rows(item.whole))
        pieces: dict[str, list[Piece]] = {kind: [] for kind in KINDS}
        for kind, glances in (("full", [item.whole]), *item.windows.items()):
            for glance in glances:
                rows = _rows(glance)
                shares = heads.shares(rows)
                count = min(len(rows), len(taught)) if film else len(rows)
                whole = taught[:count] if film else taught[:1].expand(count, -1)
                shots = glance.shots[:count]
                for shot in np.unique(shots):
                    at = np.flatnonzero(shots == shot)
                    parts = (rows[at], shares[at].half(), whole[at].half())
                    pieces[kind].append(Piece(*parts))
        return cls(film, pieces)

    def draw(self, kind: str, chance: np.random.Generator) -> Piece:
        """A shot of it in a view of a kind, at most `ROWS` rows."""
        pieces = self.pieces[kind]
        lengths = np.array([len(piece.shares) for piece in pieces], float)
        piece = pieces[int(chance.choice(len(pieces), p=lengths / lengths.sum()))]
        first = int(chance.integers(max(1, len(piece.shares) - ROWS + 1)))
        rows = slice(first, first + ROWS)
        return Piece(piece.embeddings[rows], piece.shares[rows], piece.taught[rows])


def _rows(glance: Glance) -> Tensor:
    return torch.from_numpy(glance.seen).flatten(1)


def is_held_out(item: Glanced, sources: Sequence[str]) -> bool:
    """Whether something serves for measuring only: films by what they are pieces of, photographs,
    and films that no list names, by the crc32 of their names."""
    if item.source in sources:
        return True
    return item.source == item.name and zlib.crc32(item.name.encode()) % 10 == 0


def pick(items: list[Glanced], config: SeenDistillTraining) -> list[Glanced]:
    """The share of them that is learned from, for curves: the first by crc32 of their names."""
    order = sorted(
        items, key=lambda item: zlib.crc32(f"{config.cinematic.seed}{item.name}".encode())
    )
    return order[: round(config.share * len(order))]


def loss_of(student: SeenNet, drawn: Sequence[Piece], heads: Heads) -> Tensor:
    """Mean over rows of what the student says of views and the teacher of the whole."""
    length = max(len(piece.shares) for piece in drawn)

    def stack(parts: list[Tensor]) -> Tensor:
        return torch.stack([F.pad(part.float(), (0, 0, 0, length - len(part))) for part in parts])

    lengths = torch.tensor([len(piece.shares) for piece in drawn])
    seen = torch.arange(length) < lengths[:, None]
    device = student.middle.device
    embeddings, shares, taught = (
        stack([getattr(piece, part) for piece in drawn]).to(device)
        for part in ("embeddings", "shares", "taught")
    )
    seen = seen.to(device)
    said = student(embeddings, shares, seen, student.told(heads.weights.to(device)))
    entropy = -(taught * said).sum(-1)
    # every shot counts the same, however long
    weights = seen / lengths[:, None].to(device)
    return (entropy * weights).sum() / len(drawn)


@torch.no_grad()
def held_out_scores(student: nn.Module, tests: Sequence[Lesson], heads: Heads) -> dict[str, float]:
    """Of films and of photographs by view: ``kl`` from the teacher's classes of the whole to the
    student's of the view, the share of it that is won back of what the view costs the teacher,
    and how often both name the same class; ``loss`` is the mean kl of windows."""
    assert isinstance(student, SeenNet)
    device = student.middle.device
    told = student.told(heads.weights.to(device))
    found: dict[str, float] = {}
    for name, film in (("film", True), ("photo", False)):
        items = [lesson for lesson in tests if lesson.film == film]
        for kind in KINDS if items else ():
            rows = []
            for lesson in items:
                for piece in lesson.pieces[kind]:
                    parts = piece.embeddings, piece.shares
                    rows_seen = torch.ones(1, len(piece.shares), dtype=torch.bool, device=device)
                    asked = (part[None].float().to(device) for part in parts)
                    said = student(*asked, rows_seen, told)[0].cpu()
                    taught, own = piece.taught.float(), piece.shares.float()
                    kl, before = (_kl(taught, other) for other in (said, (own + LEAST).log()))
                    same = said.argmax(1) == taught.argmax(1)
                    rows.append(torch.stack([kl, before, same.float()], 1))
            kl, before, same = torch.cat(rows).mean(0).tolist()
            found |= {f"{name}_{kind}_kl": kl, f"{name}_{kind}_same": same}
            if kind != "full":
                found[f"{name}_{kind}_won"] = 1 - kl / before
    windows = [value for key, value in found.items() if key.endswith(("cu_kl", "cm_kl"))]
    return {"loss": float(np.mean(windows)), **found}


def _kl(taught: Tensor, said: Tensor) -> Tensor:
    return (taught * ((taught + LEAST).log() - said)).sum(1)


def save_head(path: Path, student: nn.Module, heads: Heads, facts: dict) -> None:
    """What `SeenHead` reads, half precision; what trained it in the metadata."""
    assert isinstance(student, SeenNet)
    tell, tell_bias = student.told(heads.weights.to(student.middle.device))
    tensors = {
        "middle": student.middle,
        "spread": student.spread,
        "read": student.read.weight.T,
        "read_bias": student.read.bias,
        "tell": tell,
        "tell_bias": tell_bias,
        "score": student.score.weight[0],
        "mix": student.mix.weight.T,
        "mix_bias": student.mix.bias,
    }
    assert tensors["tell"].shape[1] == CLASSES
    halves = {name: value.detach().half().cpu().contiguous() for name, value in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(path, overwrite=True) as beside:
        save_file(halves, beside, metadata={"trained": json.dumps(facts)})
