"""How much signal and how much noise a latent holds at each time of the diffusion."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class NoiseSchedule:
    """x_t = alpha(t) x_0 + sigma(t) noise, with alpha^2 + sigma^2 = 1 and t in (0, 1].

    ``log_alpha`` holds log alpha at t_i = (i + 1) / n, float64; between the points it is linear,
    as in the reference DPM-Solver for discrete-time models (arXiv 2206.00927, appendix).
    """

    log_alpha: Tensor  # (n,)

    @classmethod
    def scaled_linear(
        cls, timesteps: int = 1000, beta_start: float = 0.00085, beta_end: float = 0.0120
    ) -> "NoiseSchedule":
        """The latent-diffusion "linear" schedule (diffusers' ``scaled_linear``): sqrt(beta) is
        linear. alpha_bar is rounded to float32 because published checkpoints store it so.
        """
        betas = torch.linspace(beta_start**0.5, beta_end**0.5, timesteps, dtype=torch.float64) ** 2
        alphas_cumprod = torch.cumprod(1 - betas, dim=0).float().double()
        return cls(0.5 * alphas_cumprod.log())

    @classmethod
    def cosine(cls, timesteps: int = 1000, last_alpha: float = 0.005) -> "NoiseSchedule":
        """alpha(t) = cos(c t), hardly any signal left at t = 1 (Nichol and Dhariwal, 2102.09672).

        Args:
            last_alpha: the signal's share at t = 1; not 0, so that log alpha is finite.
        """
        times = torch.arange(1, timesteps + 1, dtype=torch.float64) / timesteps
        return cls((times * math.acos(last_alpha)).cos().log())

    @property
    def timesteps(self) -> int:
        """Number of discrete steps the model was trained on."""
        return len(self.log_alpha)

    def log_alpha_at(self, time: Tensor) -> Tensor:
        """Log of the signal's share at ``time`` (any shape, values in [1 / timesteps, 1])."""
        position = (time.double() * self.timesteps - 1).clamp(0, self.timesteps - 1)
        left = position.floor().long().clamp(max=self.timesteps - 2)
        return torch.lerp(self.log_alpha[left], self.log_alpha[left + 1], position - left)

    def signal_and_noise(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """alpha(t) and sigma(t)."""
        log_alpha = self.log_alpha_at(time)
        return log_alpha.exp(), (-torch.expm1(2 * log_alpha)).sqrt()

    def model_time(self, time: Tensor) -> Tensor:
        """The fractional timestep a discrete-time model is asked at: 999.0 for t = 1."""
        return (time - 1 / self.timesteps) * self.timesteps

    def sampling_times(self, steps: int, power: float = 1.0) -> Tensor:
        """(steps + 1,) times from 1 down to 1 / timesteps, float32 as in the reference, so that
        fractional timesteps agree.

        Args:
            power: 1 for times uniform in t, as the reference has them; more is denser at the end.
        """
        last = 1 / self.timesteps
        if power == 1:
            return torch.linspace(1.0, last, steps + 1, dtype=torch.float32)
        return last + (1 - last) * torch.linspace(1.0, 0.0, steps + 1) ** power

    def turns(self, steps: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines (steps,) of the angles between signal and noise that so many steps,
        uniform in time, turn by."""
        alpha, sigma = self.signal_and_noise(self.sampling_times(steps))
        angles = torch.atan2(sigma, alpha)
        turned = angles[:-1] - angles[1:]
        return turned.cos(), turned.sin()

    def whole_timesteps(self, steps: int) -> Tensor:
        """(about steps + 1,) whole timesteps, falling by the same amount, 0 last: where latent
        diffusion's DDIM stands. 25 steps ask the model at 961, 921, ... 1.
        """
        stride = self.timesteps // steps
        return torch.cat([torch.arange(1, self.timesteps, stride).flip(0), torch.zeros(1).long()])
