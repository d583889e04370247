"""Pack a training run as a bundle: what ships, and who made the sounds it learned from.

    python -m foleycli.train.pack --sounds SOUNDS --run work/small --out foleycli/models/small

The model card is filled in from the run; its scores come from ``benchmarks/small.py --json``.
"""

import argparse
import csv
import json
from dataclasses import asdict
from pathlib import Path

import torch

from foleycli.config import MEL, MelConfig
from foleycli.latents.denoiser import Denoiser, DenoiserConfig
from foleycli.models.small import SmallModel, read_autoencoder, write_tensors
from foleycli.train.data import Recording, read_table

CREDITS: tuple[str, ...] = ("file", "label", "licence", "author", "url", "source")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sounds", type=Path, required=True)
    parser.add_argument("--table", type=Path, help="default: SOUNDS/sounds.csv")
    parser.add_argument("--run", type=Path, default=Path("work/small"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--notes", default="", help="what else the model card should tell")
    parser.add_argument("--scores", type=Path, help="JSON that benchmarks/small.py wrote")
    options = parser.parse_args()

    model, state = read_run(options.run)
    options.out.mkdir(parents=True, exist_ok=True)
    half = {name: tensor.half() for name, tensor in model.denoiser.state_dict().items()}
    write_tensors(options.out / "denoiser.safetensors", half, state["config"])
    autoencoder = model.autoencoder
    sizes = {key: getattr(autoencoder, key) for key in ("n_mels", "patch", "channels")}
    half = {name: tensor.half() for name, tensor in autoencoder.state_dict().items()}
    write_tensors(options.out / "autoencoder.safetensors", half, sizes)
    config = {"name": "small", "mel": asdict(MEL), "denoiser": state["config"]}
    (options.out / "config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8")
    heard = write_credits(options, options.out / "credits.csv")
    scores = json.loads(options.scores.read_text()) if options.scores else {}
    (options.out / "README.md").write_text(model_card(state, heard, scores, options.notes), "utf-8")
    print(f"{options.out}: {state['updates']} updates, {heard} sounds credited")


def read_run(run: Path) -> tuple[SmallModel, dict]:
    """The model as a training run has it now (its moving average), and the whole checkpoint."""
    state = torch.load(run / "checkpoint.pt", weights_only=False)  # our own: holds random states
    denoiser = Denoiser(DenoiserConfig(**state["config"]))
    denoiser.load_state_dict(state["average"])
    autoencoder = read_autoencoder(run / "autoencoder.safetensors")
    return SmallModel(denoiser, autoencoder, MelConfig()), state


def write_credits(options: argparse.Namespace, out: Path) -> int:
    """One line for every sound the model heard; returns how many."""
    rows = read_table(options.sounds, options.table or options.sounds / "sounds.csv")
    heard = [row for row in rows if not Recording(row["file"], "", "", ()).held_out]
    with out.open("w", newline="", encoding="utf-8") as file:
        credits = csv.DictWriter(file, CREDITS, restval="", extrasaction="ignore")
        credits.writeheader()
        credits.writerows(heard)
    return len(heard)


def model_card(
    state: dict, heard: int, scores: dict[str, dict[str, float]], notes: str = ""
) -> str:
    """The README of a bundle."""
    config, command = state["config"], state["command"]
    parameters = sum(tensor.numel() for tensor in state["average"].values())
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
        notes=notes and f" {notes}",
        hours=state["hours"],
        updates=state["updates"],
        table="\n".join(table) if scores else "See benchmarks/small.py.",
        **{key: config[key] for key in ("width", "depth", "channels", "patch")},
        **{key: command[key] for key in ("batch", "rate", "seed")},
    )


CARD = """# small

Latent diffusion from feature rows (what sounds, when it is struck, how active it is) to 8 s of
sound at 32 kHz mono. Ships with foleycli; licence of the weights: Apache-2.0.

- **Model**: a 1-D diffusion transformer of {parameters:.1f} M parameters ({depth} blocks, width
  {width}) that predicts v, over 64 tokens of {channels} channels; a linear autoencoder (principal
  components of {patch}-frame patches of a 128-band log-mel spectrogram); Griffin-Lim. Shipped as
  float16.
- **Data**: {heard} sounds, CC0, public domain, BSD, zlib or CC-BY; every one with author, address
  and licence in `credits.csv`. Sounds whose file name's crc32 is a multiple of ten were held out.
  No film, no speech corpus and no music went in. Words went in through all-MiniLM-L6-v2
  (Apache-2.0), which is not part of this bundle.
- **Training**: {updates} updates of {batch} windows, AdamW at {rate}, bfloat16, one CPU core,
  {hours:.1f} hours, seed {seed}. The commands are at the top of `foleycli/train/autoencoder.py`,
  `denoiser.py` and `pack.py`.{notes}
- **Limits**: it knows the {heard} sounds' kinds (impacts, metal, cloth, footsteps, water, engines,
  animals, rain, fire and so on) and little else; speech and music come out as mumble. Fine pitch
  is blurred. Labels of the data are right about nine times in ten.

## Scores on the held-out sounds
Probe: linear classifier of 35 classes over YAMNet embeddings. fad_yamnet: over the same
embeddings of 0.96 s patches. f1: onsets within 50 ms of the asked times.

{table}
"""


if __name__ == "__main__":
    main()
