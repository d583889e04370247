"""How fast a diffusion model is to be: what ``--speed`` and ``--steps`` ask for."""

from dataclasses import replace

from foleycli.config import OWN_SPEED, SPEEDS, GenerateConfig, SpeedConfig


def find_speed(config: GenerateConfig, own: str) -> SpeedConfig:
    """What is asked for.

    Args:
        own: the speed of a model of which none is asked.
    """
    speed = SPEEDS[own if config.speed == OWN_SPEED else config.speed]
    return replace(speed, steps=config.steps or speed.steps)


def settle(config: GenerateConfig, own: str | None) -> GenerateConfig:
    """A configuration that says its speed and steps itself, so that it means the same whatever the
    defaults become.

    Args:
        own: see `find_speed`; None: a source that has no steps.
    """
    if own is None:
        return config
    name = own if config.speed == OWN_SPEED else config.speed
    return replace(config, speed=name, steps=find_speed(config, own).steps)
