"""Pack a training run as a bundle: what ships, and who made the sounds it learned from.

    foley train pack --sounds SOUNDS --run runs/denoiser --out BUNDLE

The model card is filled in from the run; its scores come from ``benchmarks/small.py --json``.
"""

import csv
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from foleycli.config import MEL, DenoiserTraining, MelConfig
from foleycli.errors import ModelError
from foleycli.latents.denoiser import Denoiser
from foleycli.models.bundle import seal
from foleycli.output import make_folder
from foleycli.sources.small import SmallModel, read_autoencoder, write_tensors
from foleycli.train.checkpoint import read_latest
from foleycli.train.data import read_table
from foleycli.train.denoiser import denoiser_config
from foleycli.waveform.vocoder_net import load_vocoder, save_vocoder

UNSTATED = "not stated"
CREDITS: tuple[str, ...] = ("file", "label", "licence", "author", "url", "source")


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run is known by."""

    updates: int
    hours: float
    batch: int
    rate: float
    seed: int
    bf16: bool = True


def pack(
    sounds: Path,
    table: Path,
    run: Path,
    out: Path,
    scores: dict[str, dict[str, float]] | None = None,
    notes: str = "",
    vocoder: Path | None = None,
    licence: str = UNSTATED,
) -> Trained:
    """Write the bundle of a run into ``out``.

    Args:
        scores: what ``benchmarks/small.py --json`` wrote, for the card.
        vocoder: a file that `train.vocoder` wrote; without one Griffin-Lim sounds.
        licence: of the weights, for the card.

    Raises:
        ModelError: the folder holds no run of the denoiser, or the vocoder does not fit.
        FoleyError: ``out`` cannot be made.
    """
    model, trained = read_run(run)
    sounder = load_vocoder(vocoder) if vocoder else None
    if vocoder and sounder and sounder.mel != MEL:
        raise ModelError(
            f"{vocoder} sounds other spectrograms than those of small.",
            "Train one with --preset small.",
        )
    make_folder(out)
    sizes = asdict(model.denoiser.config)
    half = {name: tensor.half() for name, tensor in model.denoiser.state_dict().items()}
    write_tensors(out / "denoiser.safetensors", half, sizes)
    autoencoder = model.autoencoder
    half = {name: tensor.half() for name, tensor in autoencoder.state_dict().items()}
    shape = {key: getattr(autoencoder, key) for key in ("n_mels", "patch", "channels")}
    write_tensors(out / "autoencoder.safetensors", half, shape)
    if sounder:
        save_vocoder(out / "vocoder.safetensors", sounder, half=True)
    else:
        (out / "vocoder.safetensors").unlink(missing_ok=True)  # of a bundle that stood here
    config = {"name": "small", "mel": asdict(MEL), "denoiser": sizes}
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8")
    heard = write_credits(sounds, table, out / "credits.csv")
    by = "a network (`foley train vocoder`)" if sounder else "Griffin-Lim"
    card = model_card(model.denoiser, trained, heard, scores or {}, notes, by, licence)
    (out / "README.md").write_text(card, "utf-8")
    seal(out)
    return trained


def read_run(run: Path) -> tuple[SmallModel, Trained]:
    """The model as a training run has it now: its moving average.

    Raises:
        ModelError: the folder holds no run of the denoiser.
    """
    try:
        autoencoder = read_autoencoder(run / "autoencoder.safetensors")
        settings = json.loads((run / "run.json").read_text("utf-8"))
        checkpoint = read_latest(run / "checkpoints")
        if settings["stage"] != "denoiser" or checkpoint is None:
            raise ValueError("no checkpoint of a denoiser")
        names = {field.name for field in fields(DenoiserTraining)}
        config = DenoiserTraining(**{k: v for k, v in settings.items() if k in names})
        weights, sizes = checkpoint.module("average"), denoiser_config(config, autoencoder)
        done, hours = checkpoint.state["done"], checkpoint.state["hours"]
        trained = Trained(done, hours, config.batch, config.rate, settings["seed"], config.bf16)
        denoiser = Denoiser(sizes)
        denoiser.load_state_dict(weights)
    except (ModelError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ModelError(
            f"{run} is no run of the denoiser ({reason}).",
            "Give the --out of foley train denoiser.",
        ) from error
    return SmallModel(denoiser, autoencoder, MelConfig()), trained


def write_credits(sounds: Path, table: Path, out: Path) -> list[str]:
    """One line for every sound the model heard; returns the licence of each, or ""."""
    rows = read_table(sounds, table)
    heard = [row for row in rows if zlib.crc32(row["file"].encode()) % 10]
    with out.open("w", newline="", encoding="utf-8") as file:
        credits = csv.DictWriter(file, CREDITS, restval="", extrasaction="ignore")
        credits.writeheader()
        credits.writerows(heard)
    return [row.get("licence") or "" for row in heard]


def model_card(
    denoiser: Denoiser,
    trained: Trained,
    heard: Sequence[str],
    scores: dict[str, dict[str, float]],
    notes: str = "",
    vocoder: str = "Griffin-Lim",
    licence: str = UNSTATED,
) -> str:
    """The README of a bundle: what is known of it, and nothing else.

    Args:
        heard: the licence of every sound that was learned from, "" where none is stated.
    """
    config = asdict(denoiser.config)
    parameters = sum(tensor.numel() for tensor in denoiser.state_dict().values())
    columns = list(next(iter(scores.values()))) if scores else []
    table = [
        "| | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
        *(
            f"| {name} | "
            + " | ".join(f"{row[column]:.3g}" if column in row else "" for column in columns)
            + " |"
            for name, row in scores.items()
        ),
    ]
    return CARD.format(
        parameters=parameters / 1e6,
        heard=len(heard),
        licences=", ".join(sorted({one or UNSTATED for one in heard})),
        licence=licence,
        numbers="bfloat16" if trained.bf16 else "float32",
        vocoder=vocoder,
        notes=notes and f" {notes}",
        table="\n".join(table) if scores else "None were given; benchmarks/small.py measures them.",
        **{key: config[key] for key in ("width", "depth", "channels", "patch")},
        **{key: getattr(trained, key) for key in ("updates", "hours", "batch", "rate", "seed")},
    )


CARD = """# small

Latent diffusion from feature rows (what sounds, when it is struck, how active it is, and the timbre
of a recording to sound like) to 8 s of sound at 32 kHz mono. Trained by `foley train`; licence of
the weights: {licence}.

- **Model**: a 1-D diffusion transformer of {parameters:.1f} M parameters ({depth} blocks, width
  {width}) that predicts v, over 64 tokens of {channels} channels; a linear autoencoder (principal
  components of {patch}-frame patches of a 128-band log-mel spectrogram); {vocoder}.
  Shipped as float16.
- **Data**: {heard} sounds (licences: {licences}); `credits.csv` lists every one, with author,
  address and licence as far as their table gave them. Sounds whose file name's crc32 is a multiple
  of ten were held out. No film went in. Words went in through all-MiniLM-L6-v2 (Apache-2.0), which
  is not part of this bundle. While sounding, the timbre is that of the nearest recording of
  foleycli's library.
- **Training**: {updates} updates of {batch} windows, Muon and AdamW at {rate}, {numbers},
  {hours:.1f} hours, seed {seed}. The commands are at the top of
  `foleycli/train/denoiser.py`.{notes}
- **Limits**: it knows the kinds of its {heard} sounds and little else. Fine pitch is blurred.

## Scores on the held-out sounds
Probe: linear classifier of 35 classes over YAMNet embeddings. fad_yamnet: over the same
embeddings of 0.96 s patches. f1: onsets within 50 ms of the asked times.

{table}
"""
