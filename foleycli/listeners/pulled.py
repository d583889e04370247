"""Listeners that are pulled: networks whose embeddings and classes the measures compare.

A bundle of one has the family ``listener``, its ``name``, and the part ``net``.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from foleycli.errors import ModelError
from foleycli.models.bundle import Bundle, write_bundle
from foleycli.models.checkpoint import read_checkpoint
from foleycli.models.registry import Model, find_model, require_installed

Net = TypeVar("Net", bound=nn.Module)
Arrange = Callable[[nn.Module, dict[str, Tensor]], dict[str, Tensor]]
FAMILY, PART = "listener", "net"
FRONT_END = ("spectrogram_extractor.", "logmel_extractor.")  # constants that some weights carry


def make_listener(model: Model, paths: Sequence[Path], *, overwrite: bool = False) -> Bundle:
    """Make a bundle of a listener's public weights, in 32 bits as they were published.

    Args:
        paths: the checkpoints, most often one, and JSON that shall lie beside it as it is.
    """
    attached = [path for path in paths if path.suffix == ".json"]
    checkpoints = [path for path in paths if path not in attached]
    tensors = {
        f"{PART}.{name}": tensor.contiguous()
        for path in checkpoints
        for name, tensor in read_checkpoint(path).items()
        if name.startswith(model.keeps or "") and not name.startswith(FRONT_END)
    }
    if not tensors:
        raise ModelError(f"{checkpoints[0]} holds no weights.", "Fetch it again.")
    config = {"family": FAMILY, "name": model.name, "source": {"page": model.source}}
    return write_bundle(model.folder, config, tensors, model.card, attached, overwrite=overwrite)


def load_listener(
    name: str,
    build: Callable[[], Net],
    *,
    mapped: bool = False,
    arrange: Arrange = lambda net, public: public,
) -> tuple[Net, str]:
    """A network with the weights of an installed bundle, ready to listen, and their fingerprint.

    Args:
        mapped: leave them in the file until they are used; processes share them.
        arrange: of the network and the public tensors, those tensors by the network's names.

    Raises:
        ModelError: it is not installed (the remedy names the command), or has other tensors.
    """
    bundle = Bundle.open(require_installed(find_model(name)).folder)
    with torch.device("meta"):
        net = build()
    try:
        tensors = bundle.mapped(PART) if mapped else bundle.tensors(PART)
        net.load_state_dict(arrange(net, tensors), assign=True)
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[2].strip()
        raise ModelError(
            f"{name} is not the network it should be: {reason}.",
            f"Run `foley models pull {name} --again`.",
        ) from error
    return net.eval().requires_grad_(False), bundle.fingerprint[:16]


def listener_file(name: str, file: str) -> Path:
    """What lies beside the weights of an installed listener, such as its tokenizer.

    Raises:
        ModelError: it is not installed.
    """
    return require_installed(find_model(name)).folder / file
