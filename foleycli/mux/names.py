"""What stands beside a video that we write, and how it is called."""

from pathlib import Path

from foleycli.config import GenerateConfig
from foleycli.features.cues import Kind

KINDS: tuple[Kind, ...] = ("hit", "bed")


def stem_path(wav: Path, kind: str) -> Path:
    """``shot_sfx.wav`` -> ``shot_sfx_hits.wav``."""
    return wav.with_name(f"{wav.stem}_{kind}s.wav")


def take_paths(out: Path, takes: int) -> list[Path]:
    """The video of each take: ``out.mp4``, ``out_take2.mp4`` ..."""
    further = (f"{out.stem}_take{number}{out.suffix}" for number in range(2, takes + 1))
    return [out, *(out.with_name(name) for name in further)]


def sound_paths(out: Path, config: GenerateConfig) -> list[Path]:
    """The waves asked for beside a video: the sound alone, then its stems."""
    wav = out.with_suffix(".wav")
    stems = [stem_path(wav, kind) for kind in KINDS if config.stems]
    return [wav, *stems] if config.wav or stems else []
