"""From noise to latents along a straight flow (Lipman et al., arXiv 2210.02747)."""

from collections.abc import Callable

import torch
from torch import Tensor

# (latent, time (batch,)) -> velocity, shaped like the latent; guidance is inside
Velocity = Callable[[Tensor, Tensor], Tensor]
Progress = Callable[[int, int], None]


def sample_flow(
    velocity: Velocity, noise: Tensor, steps: int = 25, progress: Progress | None = None
) -> Tensor:
    """Euler's steps of equal length from noise, at time 0, to data, at time 1.

    Args:
        velocity: called once a step, at times 0 to 1 - 1 / steps.
        noise: (batch, ...).
        progress: told (steps done, steps) after each.
    """
    latent = noise
    times = torch.linspace(0, 1, steps + 1)
    for i in range(steps):
        time = times[i].expand(len(noise)).to(noise.device)
        latent = latent + (times[i + 1] - times[i]) * velocity(latent, time)
        if progress:
            progress(i + 1, steps)
    return latent


def sample_flow_corrected(
    velocity: Velocity, noise: Tensor, steps: int = 10, progress: Progress | None = None
) -> Tensor:
    """As `sample_flow`, by Adams' two-step predictor and corrector: of each step, what the next
    call finds at its end mends the step itself. The first step is Euler's.

    Source: Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, III.1.
    """
    latent = begun = noise
    length = 1 / steps
    before: Tensor | None = None
    for i in range(steps):
        time = torch.full((len(noise),), i * length, device=noise.device)
        now = velocity(latent, time)
        if before is not None:
            latent = begun + length / 2 * (before + now)
        begun = latent
        latent = latent + length * (now if before is None else 1.5 * now - 0.5 * before)
        before = now
        if progress:
            progress(i + 1, steps)
    return latent


def between(noise: Tensor, data: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """What is seen at a time (batch,) on the way, and the velocity to be learned there."""
    share = time.view(-1, *[1] * (data.ndim - 1))
    return (1 - share) * noise + share * data, data - noise
