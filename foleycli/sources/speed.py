"""How fast a diffusion model is to be: what ``--speed`` and ``--steps`` ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from foleycli.config import OWN_SPEED, SPEEDS, GenerateConfig, SpeedConfig
from foleycli.errors import ModelError

FEW_STEPS = "few_steps"  # what a bundle's config says of a student that it has


@dataclass(frozen=True, slots=True)
class FewSteps:
    """A student of few steps that a bundle has (`foley train fewsteps`): guidance is inside."""

    steps: int
    guidance: float
    only: bool = False  # it stands in its teacher's place

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "FewSteps | None":
        """Of a bundle, by its config; None: it has none.

        Raises:
            ModelError: the config is damaged.
        """
        if (stated := config.get(FEW_STEPS)) is None:
            return None
        try:
            found = cls(
                int(stated["steps"]), float(stated["guidance"]), bool(stated.get("only", False))
            )
            if not 0 < found.steps <= 1000:
                raise ValueError(f"{found.steps} steps")
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelError(
                f"{FEW_STEPS} of a model is damaged ({error}).", "Pull it again."
            ) from error
        return found

    def fits(self, speed: SpeedConfig, steps: int | None, guidance: float, negative: bool) -> bool:
        """Whether it can give what is asked for: its own steps, its own guidance, no negative
        words."""
        asked = speed.distilled and steps in (None, self.steps) and guidance == self.guidance
        return self.only or (asked and not negative)


def find_speed(config: GenerateConfig, own: str, few: FewSteps | None = None) -> SpeedConfig:
    """What is asked for.

    Args:
        own: the speed of a model of which none is asked.
        few: its student of few steps.
    """
    speed = SPEEDS[own if config.speed == OWN_SPEED else config.speed]
    if few and few.fits(speed, config.steps, config.guidance, bool(config.negative_prompt)):
        return replace(speed, steps=few.steps)
    return replace(speed, steps=config.steps or speed.steps)


def settle(config: GenerateConfig, own: str | None, few: FewSteps | None = None) -> GenerateConfig:
    """A configuration that says its speed and steps itself, so that it means the same whatever the
    defaults become.

    Args:
        own: see `find_speed`; None: a source that has no steps.
        few: see there.
    """
    if own is None:
        return config
    name = own if config.speed == OWN_SPEED else config.speed
    return replace(config, speed=name, steps=find_speed(config, own, few).steps)
