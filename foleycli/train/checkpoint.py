"""Where a training stands: weights and all that goes on from them, kept whole or not at all.

A checkpoint is a folder, named by its update, with ``weights.safetensors`` and ``state.pt``
(optimizers and generators; no code runs when it is read). It is written under a hidden name and
renamed, so that a kill in the middle of a save leaves the one before.
"""

import logging
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from foleycli.errors import FoleyError, ModelError
from foleycli.output import flush, output_error

logger = logging.getLogger("foleycli")

WEIGHTS, STATE = "weights.safetensors", "state.pt"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a folder held."""

    folder: Path
    weights: dict[str, Tensor]  # named ``module.parameter``
    state: dict[str, Any]

    def module(self, name: str) -> dict[str, Tensor]:
        """The weights of one module, as its `load_state_dict` wants them."""
        prefix = name + "."
        return {
            key.removeprefix(prefix): tensor
            for key, tensor in self.weights.items()
            if key.startswith(prefix)
        }


def write_checkpoint(
    folder: Path, done: int, weights: Mapping[str, Tensor], state: Mapping[str, Any], keep: int = 3
) -> Path:
    """Write the checkpoint of update ``done`` into ``folder`` and drop all but the last ``keep``.

    Raises:
        FoleyError: the disk is full or may not be written; older checkpoints are as they were.
    """
    target = folder / f"{done:08}"
    hidden = folder / f".{done:08}-{secrets.token_hex(4)}"
    try:
        hidden.mkdir(parents=True)
        ready = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
        save_file(ready, hidden / WEIGHTS)
        torch.save(dict(state), hidden / STATE)
        for part in (hidden / WEIGHTS, hidden / STATE, hidden):
            flush(part)
        if target.exists():  # a broken one that the run went on from behind
            shutil.rmtree(target)
        hidden.rename(target)
        flush(folder)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise _write_error(error, target) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    for old in list_checkpoints(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def _write_error(error: Exception, target: Path) -> FoleyError:
    """What a failed save means; torch and safetensors hide the system's reason in their words."""
    if isinstance(error, OSError):
        return output_error(error, target)
    free = shutil.disk_usage(target.parent).free
    reason = str(error).strip().partition("\n")[0]
    return FoleyError(
        f"{target} was not written ({reason}); {free / 1e6:.0f} MB are free.",
        "Free some space and give the command again: it goes on from the checkpoint before.",
    )


def list_checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    return sorted(path for path in folder.glob("[0-9]*") if (path / STATE).is_file())


def read_latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that can be read; None where there never was one.

    Raises:
        ModelError: there are some, and none can be read.
    """
    clear_leftovers(folder)
    found = list_checkpoints(folder)
    for path in reversed(found):
        try:
            return read_checkpoint(path)
        except ModelError as error:
            logger.warning("%s The one before it is tried.", error.problem)
    if found:
        raise ModelError(f"No checkpoint in {folder} can be read.", "Begin again in another --out.")
    return None


def read_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint; nothing in it is executed.

    Raises:
        ModelError: it is damaged.
    """
    try:
        state = torch.load(path / STATE, map_location="cpu", weights_only=True)
        return Checkpoint(path, load_file(path / WEIGHTS), state)
    except Exception as error:  # torch and safetensors raise a dozen kinds for damaged files
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"The checkpoint {path} is damaged ({reason}).", "Remove it to go on from an older one."
        ) from error


def clear_leftovers(folder: Path) -> None:
    """Remove what a kill in the middle of a save left under hidden names."""
    for left in folder.glob(".[0-9]*-*"):
        shutil.rmtree(left, ignore_errors=True)
