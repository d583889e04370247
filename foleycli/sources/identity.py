"""Which source of sound is meant, and whether it is the one of then; nothing is loaded for it."""

import hashlib
from functools import lru_cache
from pathlib import Path

from foleycli.config import OWN_SPEEDS, GenerateConfig
from foleycli.errors import ModelError, UsageError
from foleycli.library.bank import Bank
from foleycli.library.index import open_bank
from foleycli.models.bundle import CONFIG, Bundle, broken, read_config
from foleycli.models.registry import MODELS, find_model, require_installed
from foleycli.sources.speed import FewSteps

SELVA = "selva"  # the family, and the name of its public member
DIFF_FOLEY = "diff-foley"  # the family, and the name of its public member
AUTO_SCORE = "clips_kl"  # KL of what is heard against real clips' own sound; lower is better


def resolve(config: GenerateConfig) -> str:
    """The name of the source that will be used.

    ``auto`` is the installed one with the best figure on real clips, by its model card; recordings
    given with ``library`` are always used.
    """
    if config.library:
        return "library"
    if config.model != "auto":
        folder = Path(config.model)
        return str(folder.absolute()) if folder.is_dir() else find_model(config.model).name
    installed = [
        model
        for model in MODELS
        if model.installed and AUTO_SCORE in model.scores and not model.non_commercial
    ]
    return min(installed, key=lambda model: model.scores[AUTO_SCORE], default=MODELS[0]).name


def find_folder(name: str) -> Path:
    """Where a model of this name lies, or the folder that the name is.

    Raises:
        ModelError: it is unknown, or not installed.
        UsageError: it hears sound, or parts it, and makes none.
    """
    if Path(name).is_dir():
        return Path(name)
    model = find_model(name)
    if model.kind in ("listener", "separator"):
        raise UsageError(f"{name} listens, it makes no sound.", "Name a model to sound with.")
    return require_installed(model).folder


def find_family(folder: Path) -> str:
    """What a bundle's config says it is; bundles of ``small`` say nothing."""
    if not (folder / CONFIG).is_file():
        raise ModelError(f"{folder} is not a model: it has no {CONFIG}.", "Name a bundle.")
    return str(read_config(folder).get("family", "small"))


def small_fingerprint(folder: Path, bank: Bank) -> str:
    """Of a ``small`` model's weights and config, and of the recordings it is shown."""
    digest = hashlib.blake2b(digest_size=16)
    for path in [*sorted(folder.glob("*.safetensors")), folder / CONFIG]:
        try:
            digest.update(path.read_bytes())
        except OSError as error:
            raise broken(path, error) from error
    return f"{digest.hexdigest()}-{bank.fingerprint}"


def own_speed(config: GenerateConfig) -> str | None:
    """The speed of the source that ``config`` means, where none is asked; None: it has no steps.

    Raises:
        ModelError: it is unknown, or not installed.
    """
    name = resolve(config)
    if name == "library":
        return None
    return OWN_SPEEDS["small" if name == "small" else find_family(find_folder(name))]


def few_steps(config: GenerateConfig) -> FewSteps | None:
    """The student of few steps of the source that ``config`` means; None: it has none.

    Raises:
        ModelError: it is unknown, or not installed.
    """
    name = resolve(config)
    return None if name == "library" else FewSteps.of(read_config(find_folder(name)))


def source_fingerprint(config: GenerateConfig) -> str:
    """The fingerprint that the source which ``config`` means has when it is opened.

    Raises:
        ModelError: it is unknown, or not installed.
    """
    return _fingerprint(resolve(config), config.library)


@lru_cache(maxsize=8)
def _fingerprint(name: str, library: str | None) -> str:
    if name == "library":
        return open_bank(Path(library) if library else None).fingerprint
    folder = find_folder(name)
    if find_family(folder) in (DIFF_FOLEY, SELVA):
        return Bundle.open(folder).fingerprint
    return small_fingerprint(folder, Bank.open(None))
