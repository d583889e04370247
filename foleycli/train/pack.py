"""Pack a training run as a bundle: what ships, and who made the sounds it learned from.

    foley train pack --sounds SOUNDS --run runs/denoiser --out BUNDLE

The model card is filled in from the run; its scores come from ``benchmarks/small.py --json``.
"""

import csv
import json
import zlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from foleycli.config import MEL, DenoiserTraining, MelConfig
from foleycli.errors import ModelError
from foleycli.latents.denoiser import Denoiser
from foleycli.models.bundle import seal
from foleycli.models.small import SmallModel, read_autoencoder, write_tensors
from foleycli.train.checkpoint import read_latest
from foleycli.train.data import read_table
from foleycli.train.denoiser import denoiser_config
from foleycli.waveform.vocoder_net import load_vocoder, save_vocoder

CREDITS: tuple[str, ...] = ("file", "label", "licence", "author", "url", "source")


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run is known by."""

    updates: int
    hours: float
    batch: int
    rate: float
    seed: int


def pack(
    sounds: Path,
    table: Path,
    run: Path,
    out: Path,
    scores: dict[str, dict[str, float]] | None = None,
    notes: str = "",
    vocoder: Path | None = None,
) -> Trained:
    """Write the bundle of a run into ``out``.

    Args:
        scores: what ``benchmarks/small.py --json`` wrote, for the card.
        vocoder: a file that `train.vocoder` wrote; without one Griffin-Lim sounds.

    Raises:
        ModelError: the folder holds no run of the denoiser.
    """
    model, trained = read_run(run)
    out.mkdir(parents=True, exist_ok=True)
    sizes = asdict(model.denoiser.config)
    half = {name: tensor.half() for name, tensor in model.denoiser.state_dict().items()}
    write_tensors(out / "denoiser.safetensors", half, sizes)
    autoencoder = model.autoencoder
    half = {name: tensor.half() for name, tensor in autoencoder.state_dict().items()}
    shape = {key: getattr(autoencoder, key) for key in ("n_mels", "patch", "channels")}
    write_tensors(out / "autoencoder.safetensors", half, shape)
    if vocoder:
        save_vocoder(out / "vocoder.safetensors", load_vocoder(vocoder), half=True)
    config = {"name": "small", "mel": asdict(MEL), "denoiser": sizes}
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8")
    heard = write_credits(sounds, table, out / "credits.csv")
    sounder = "a network (`foley train vocoder`)" if vocoder else "Griffin-Lim"
    card = model_card(model.denoiser, trained, heard, scores or {}, notes, sounder)
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
        trained = Trained(done, hours, config.batch, config.rate, settings["seed"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{run} is no run of the denoiser ({error}).", "Give the --out of foley train denoiser."
        ) from error
    denoiser = Denoiser(sizes)
    denoiser.load_state_dict(weights)
    return SmallModel(denoiser, autoencoder, MelConfig()), trained


def write_credits(sounds: Path, table: Path, out: Path) -> int:
    """One line for every sound the model heard; returns how many."""
    rows = read_table(sounds, table)
    heard = [row for row in rows if zlib.crc32(row["file"].encode()) % 10]
    with out.open("w", newline="", encoding="utf-8") as file:
        credits = csv.DictWriter(file, CREDITS, restval="", extrasaction="ignore")
        credits.writeheader()
        credits.writerows(heard)
    return len(heard)


def model_card(
    denoiser: Denoiser,
    trained: Trained,
    heard: int,
    scores: dict[str, dict[str, float]],
    notes: str = "",
    vocoder: str = "Griffin-Lim",
) -> str:
    """The README of a bundle."""
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
        heard=heard,
        vocoder=vocoder,
        notes=notes and f" {notes}",
        table="\n".join(table) if scores else "See benchmarks/small.py.",
        **{key: config[key] for key in ("width", "depth", "channels", "patch")},
        **asdict(trained),
    )


CARD = """# small

Latent diffusion from feature rows (what sounds, when it is struck, how active it is, and the timbre
of a recording to sound like) to 8 s of sound at 32 kHz mono. Ships with foleycli; licence of the
weights: Apache-2.0.

- **Model**: a 1-D diffusion transformer of {parameters:.1f} M parameters ({depth} blocks, width
  {width}) that predicts v, over 64 tokens of {channels} channels; a linear autoencoder (principal
  components of {patch}-frame patches of a 128-band log-mel spectrogram); {vocoder}.
  Shipped as float16.
- **Data**: {heard} sounds, CC0, public domain, BSD, zlib or CC-BY; every one with author, address
  and licence in `credits.csv`. Sounds whose file name's crc32 is a multiple of ten were held out.
  No film, no speech corpus and no music went in. Words went in through all-MiniLM-L6-v2
  (Apache-2.0), which is not part of this bundle. While sounding, the timbre is that of the nearest
  recording of foleycli's library, which holds none of the held-out sounds either.
- **Training**: {updates} updates of {batch} windows, Muon and AdamW at {rate}, bfloat16, one CPU
  core, {hours:.1f} hours, seed {seed}. The commands are at the top of
  `foleycli/train/denoiser.py`.{notes}
- **Limits**: it knows the {heard} sounds' kinds (impacts, metal, cloth, footsteps, water, engines,
  animals, rain, fire and so on) and little else; speech and music come out as mumble. Fine pitch
  is blurred. Labels of the data are right about nine times in ten.

## Scores on the held-out sounds
Probe: linear classifier of 35 classes over YAMNet embeddings. fad_yamnet: over the same
embeddings of 0.96 s patches. f1: onsets within 50 ms of the asked times.

{table}
"""
