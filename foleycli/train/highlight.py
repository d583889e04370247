"""Train a balance of stems, or the network that hears only the mix, on spoiled mixes.

    foley data muddy STEMS runs/muddy
    foley train highlight --muddy runs/muddy --out runs/balance
    foley train highlight --muddy runs/muddy --out runs/visah --network visah

The first learns what a house's own delivered stems have in common: gains in dB, and the level of
the mix. The second is VisAH (arXiv 2505.12154) by its published recipe; see `config.TRAINING`.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from foleycli.config import HighlightTraining, VisahTraining
from foleycli.errors import MediaError
from foleycli.highlight.context import read_context
from foleycli.highlight.curves import STEMS
from foleycli.highlight.learned import FILE, BalanceNet, Heard, hear, save_balance
from foleycli.highlight.levels import hear_stems
from foleycli.highlight.loss import log_magnitude_loss, magnitude_loss
from foleycli.highlight.network import HighlightNet
from foleycli.highlight.picture import read_motion
from foleycli.highlight.rule import second_edges
from foleycli.highlight.stems import stems_of
from foleycli.train.muddy import RATE, TABLE
from foleycli.train.run import Run, RunOptions

QUIET = -70.0  # LUFS of a second in which a stem teaches nothing
LEAST_POWER = 1e-9


@dataclass(frozen=True, slots=True)
class Example:
    """A piece: what is told, and what was right."""

    heard: Heard
    gains_db: NDArray[np.float32]  # (seconds, stems) that mend it


def train_balance(
    muddy: Sequence[Path], out: Path, config: HighlightTraining, options: RunOptions
) -> Path:
    """Train, or go on; the path of the finished ``balance.safetensors``.

    Raises:
        MediaError: the folders hold too few pieces.
    """
    with Run(out, "highlight", config, options) as run:
        with run.first_alone():
            examples = [example for folder in muddy for example in read_examples(folder)]
        learned, held = _parted(examples, config.held_out)
        net = BalanceNet(config.width, config.depth).to(run.device)
        average = run.average_of(net)
        optimizer = torch.optim.AdamW(
            net.parameters(), config.rate, weight_decay=config.weight_decay
        )
        chance = np.random.default_rng(run.seed)
        run.begin({"net": net, "average": average}, {"optimizer": optimizer}, {"r": chance})
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                picked = [learned[i] for i in chance.integers(len(learned), size=run.share)]
                rows, energies, gains = (part.to(run.device) for part in make_batch(picked))
                run.backward(balance_loss(net(rows), energies, gains, config.loudness))
            run.step(optimizer)
            run.follow(average, net)
            run.end_update()
            if run.is_due():
                run.validated(**validate(average, held, run.device))
        path = out / FILE
        if run.rank == 0:
            save_balance(average, path, pieces=len(learned), updates=run.done)
        return path


def read_examples(folder: Path) -> list[Example]:
    """Every piece of a folder of ``foley data muddy``, heard and watched once.

    Raises:
        MediaError: it is none.
    """
    try:
        with (folder / TABLE).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise MediaError(f"{folder} holds no {TABLE}.", "Make it with foley data muddy.") from error
    return [_example(folder, row) for row in rows]


def _example(folder: Path, row: dict[str, str]) -> Example:
    stems = stems_of({stem: folder / row["name"] / f"{stem}.wav" for stem in STEMS})
    edges = second_edges(stems.duration)
    motion = None
    if row["clip"] and Path(row["clip"]).is_file():
        start = float(row["start"])
        motion = read_motion(Path(row["clip"])).part(start, start + float(stems.duration))
    heard = hear(hear_stems(stems, onsets=STEMS), edges, motion)
    every = float(row["every"] or 0)
    gains = np.zeros((len(edges) - 1, len(STEMS)), np.float32)
    for s, stem in enumerate(STEMS):
        changes = np.array(row[f"{stem}_gains_db"].split(), np.float64)
        seconds = np.arange(len(gains))
        places = (seconds / every).astype(int) if every else np.zeros(len(gains), int)
        gains[:, s] = -changes[np.minimum(places, len(changes) - 1)]
    return Example(heard, gains)


def make_batch(examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, energies and gains, filled up to the longest with silence, which teaches nothing."""
    longest = max(len(example.gains_db) for example in examples)

    def filled(parts: Sequence[NDArray[np.float32]]) -> Tensor:
        padded = [np.pad(part, ((0, longest - len(part)), (0, 0))) for part in parts]
        return torch.from_numpy(np.stack(padded))

    heard = [example.heard for example in examples]
    return (
        filled([one.rows for one in heard]),
        filled([one.energies for one in heard]),
        filled([example.gains_db for example in examples]),
    )


def balance_loss(said: Tensor, energies: Tensor, wanted: Tensor, loudness: float) -> Tensor:
    """Mean |dB| of the stems that sound, and of the level of the mix, second by second."""
    sounds = energies > 10 ** ((QUIET + 0.691) / 10)
    gains = ((said - wanted).abs() * sounds).sum() / sounds.sum().clamp(min=1)
    mixes = [(energies * 10 ** (db / 10)).sum(-1).clamp(min=LEAST_POWER) for db in (said, wanted)]
    heard = sounds.any(dim=-1)
    levels = (10 * (mixes[0].log10() - mixes[1].log10())).abs() * heard
    return gains + loudness * levels.sum() / heard.sum().clamp(min=1)


@torch.no_grad()
def validate(net: BalanceNet, held: Sequence[Example], device: torch.device) -> dict[str, float]:
    """Mean |dB| of held-out pieces, and what leaving them alone would have."""
    rows, energies, gains = (part.to(device) for part in make_batch(held))
    said = net(rows)
    still = torch.zeros_like(said)
    return {
        "loss": float(balance_loss(said, energies, gains, 0.0)),
        "untouched": float(balance_loss(still, energies, gains, 0.0)),
    }


def _parted(examples: list, share: float) -> tuple[list, list]:
    held = max(1, round(share * len(examples)))
    if len(examples) <= held:
        raise MediaError(
            f"{len(examples)} pieces are too few to learn from.", "Make more with foley data muddy."
        )
    return examples[:-held], examples[-held:]


# ---- the network that hears the mix ----


@dataclass(frozen=True, slots=True)
class MixPiece:
    """Where a mix, its true one and what is seen lie."""

    folder: Path
    context: NDArray[np.float32]  # (frames, size), one a second


def train_visah(
    muddy: Sequence[Path],
    out: Path,
    config: VisahTraining,
    options: RunOptions,
    context: Path | None = None,
) -> Path:
    """Train VisAH, or go on; the path of ``visah.safetensors``.

    Args:
        context: folder of rows of what is seen, ``NAME.npy`` a piece (CLIP ViT-L/14, one a second);
            a piece without a file learns with none.
    """
    with Run(out, "highlight-visah", config, options) as run:
        pieces = [piece for folder in muddy for piece in _mix_pieces(folder, context, config)]
        learned, held = _parted(pieces, config.held_out)
        net = HighlightNet(config.sizes).to(run.device)
        optimizer = torch.optim.Adam(net.parameters(), config.rate)
        chance = np.random.default_rng(run.seed)
        run.begin({"net": net}, {"optimizer": optimizer}, {"r": chance})
        distance = log_magnitude_loss if config.loss == "log" else magnitude_loss
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                picked = [learned[i] for i in chance.integers(len(learned), size=run.share)]
                batch = [_read_piece(piece, config.seconds, chance) for piece in picked]
                mix, target, seen = (
                    torch.from_numpy(np.stack(part)).to(run.device)
                    for part in zip(*batch, strict=True)
                )
                run.backward(distance(net(mix[:, None], seen)[:, 0], target))
            run.step(optimizer)
            run.end_update()
            if run.is_due():
                run.validated(loss=_held_loss(net, held, config, run.device))
        path = out / "visah.safetensors"
        if run.rank == 0:
            save_visah(net, path)
        return path


def save_visah(net: HighlightNet, path: Path) -> None:
    """Weights with their sizes."""
    import json

    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()
    }
    save_file(weights, str(path), metadata={"sizes": json.dumps(net.describe())})


def _mix_pieces(folder: Path, context: Path | None, config: VisahTraining) -> list[MixPiece]:
    with (folder / TABLE).open(newline="", encoding="utf-8") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    count = max(1, round(config.seconds))
    none = np.zeros((count, config.sizes.context_size), np.float32)
    pieces = []
    for name in names:
        rows = context / f"{name}.npy" if context else None
        seen = read_context(rows, config.sizes.context_size) if rows and rows.is_file() else none
        pieces.append(MixPiece(folder / name, seen))
    return pieces


def _read_piece(
    piece: MixPiece, seconds: float, chance: np.random.Generator | None
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """A stretch of a mix, of the true one, and what is seen meanwhile."""
    length = round(seconds * RATE)
    total = soundfile.info(str(piece.folder / "input.wav")).frames
    spare = max(0, total - length)
    first = int(chance.integers(spare // RATE + 1)) * RATE if chance is not None else 0
    first = min(first, spare)
    parts = []
    for name in ("input.wav", "target.wav"):
        sound, _ = soundfile.read(
            str(piece.folder / name), frames=length, start=first, dtype="float32"
        )
        parts.append(np.pad(np.asarray(sound, np.float32), (0, length - len(sound))))
    count = max(1, round(seconds))
    rows = piece.context[first // RATE : first // RATE + count]
    rows = np.concatenate([rows, np.repeat(piece.context[-1:], count - len(rows), axis=0)])
    return parts[0], parts[1], rows


@torch.no_grad()
def _held_loss(
    net: HighlightNet, held: Sequence[MixPiece], config: VisahTraining, device: torch.device
) -> float:
    losses = []
    for piece in held:
        mix, target, seen = (
            torch.from_numpy(part)[None].to(device)
            for part in _read_piece(piece, config.seconds, None)
        )
        losses.append(float(log_magnitude_loss(net(mix[:, None], seen)[:, 0], target)))
    return float(np.mean(losses))
