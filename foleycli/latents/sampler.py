"""From noise to a latent: DPM-Solver++ 2M, one sampler for every model; a corrected one that needs
fewer steps; DDIM to compare with."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from foleycli.latents.schedule import NoiseSchedule

# (latent, fractional timestep) -> predicted noise, same shape as the latent; guidance is inside.
NoisePredictor = Callable[[Tensor, Tensor], Tensor]
# (latent, number of the step) -> v of that whole step, same shape as the latent.
TurnPredictor = Callable[[Tensor, int], Tensor]
Progress = Callable[[int, int], None]

FIRST_ORDER_END_BELOW = 15  # with so few steps the last one is first order (reference: same)


def sample_latents(
    predict_noise: NoisePredictor,
    noise: Tensor,
    schedule: NoiseSchedule,
    steps: int = 25,
    progress: Progress | None = None,
    power: float = 1.0,
) -> Tensor:
    """Integrate the diffusion ODE with DPM-Solver++(2M).

    Arithmetic between model calls is in the dtype of ``noise``; coefficients are float64.

    Args:
        predict_noise: called once a step with the latent and its fractional timestep.
        noise: the latent at t = 1, any shape.
        schedule: what the model was trained with.
        steps: model calls.
        progress: told (steps done, steps) after each.
        power: of the times of the steps, see `NoiseSchedule.sampling_times`.

    Returns:
        the latent at t = 1 / timesteps, shaped like ``noise``.

    Source: Lu et al. 2022, arXiv 2211.01095, algorithm 2 (data prediction, two-step multistep).
    """
    times = schedule.sampling_times(steps, power)
    alpha, sigma = schedule.signal_and_noise(times)
    log_snr = alpha.log() - sigma.log()
    latent, before = noise, None
    for i in range(steps):
        model_time = schedule.model_time(times[i])
        data = (latent - float(sigma[i]) * predict_noise(latent, model_time)) / float(alpha[i])
        h = log_snr[i + 1] - log_snr[i]
        step_towards = data
        ends_first_order = i == steps - 1 and steps < FIRST_ORDER_END_BELOW
        if before is not None and not ends_first_order:
            ratio = (log_snr[i] - log_snr[i - 1]) / h
            step_towards = data + float(0.5 / ratio) * (data - before)
        latent = (
            float(sigma[i + 1] / sigma[i]) * latent
            - float(alpha[i + 1] * torch.expm1(-h)) * step_towards
        )
        before = data
        if progress:
            progress(i + 1, steps)
    return latent


def sample_corrected(
    predict_noise: NoisePredictor,
    noise: Tensor,
    schedule: NoiseSchedule,
    steps: int = 10,
    progress: Progress | None = None,
    passed: list[Tensor] | None = None,
) -> Tensor:
    """Integrate the diffusion ODE with Adams' two-step predictor and corrector.

    Of each step, what the next call finds at its end mends the step itself; no call is added. At
    10 steps uniform in time it ends nearer to where very many steps end than `sample_latents`
    at 25 (benchmarks/speed.py). The last step is of first order.

    Arguments and result are those of `sample_latents`; ``passed`` is given the latent that each
    step begins with, mended, and the result.

    Source: Zhao et al. 2023, arXiv 2302.04867 (UniPC), as multistep formulas in the log-SNR:
    x(b) / sigma(b) = x(a) / sigma(a) + integral of e^l data(l) dl from l(a) to l(b), with the data
    a straight line through two of the predictions.
    """
    times = schedule.sampling_times(steps)
    alpha, sigma = (part.numpy() for part in schedule.signal_and_noise(times))
    log_snr = np.log(alpha / sigma)
    latent = begun = noise
    before: Tensor | None = None
    for i in range(steps):
        predicted = predict_noise(latent, schedule.model_time(times[i]))
        data = (latent - sigma[i] * predicted) / alpha[i]
        if before is not None:
            ends = sigma[i] * line_weights(log_snr[i - 1], log_snr[i], log_snr[i - 1], log_snr[i])
            latent = sigma[i] / sigma[i - 1] * begun + ends[0] * before + ends[1] * data
        begun, kept = latent, sigma[i + 1] / sigma[i]
        if passed is not None:
            passed.append(begun)
        if before is None or i == steps - 1:
            weight = alpha[i + 1] - kept * alpha[i]
            latent = kept * latent + weight * data
        else:
            span = log_snr[i], log_snr[i + 1]
            old, now = sigma[i + 1] * line_weights(log_snr[i - 1], log_snr[i], *span)
            latent = kept * latent + old * before + now * data
        before = data
        if progress:
            progress(i + 1, steps)
    if passed is not None:
        passed.append(latent)
    return latent


def line_weights(first: float, second: float, start: float, end: float) -> np.ndarray:
    """(2,) what the integral of e^l f(l) from ``start`` to ``end`` takes of f at two points, where
    f is a straight line through them."""
    whole = np.exp(end) - np.exp(start)
    moment = (end - 1) * np.exp(end) - (start - 1) * np.exp(start)  # of l e^l
    share = (moment - first * whole) / (second - first)
    return np.array([whole - share, share])


def sample_ddim(
    predict_noise: NoisePredictor,
    noise: Tensor,
    schedule: NoiseSchedule,
    steps: int = 25,
    progress: Progress | None = None,
) -> Tensor:
    """DDIM without added noise (eta 0), at the evenly spaced whole timesteps of latent diffusion.

    Arguments and result are those of `sample_latents`; the result stands at the first timestep.

    Source: Song et al. 2021, arXiv 2010.02502, equation 12.
    """
    timesteps = schedule.whole_timesteps(steps)
    alpha, sigma = schedule.signal_and_noise((timesteps + 1) / schedule.timesteps)
    latent = noise
    for i in range(len(timesteps) - 1):
        predicted = predict_noise(latent, timesteps[i].float())
        data = (latent - float(sigma[i]) * predicted) / float(alpha[i])
        latent = float(alpha[i + 1]) * data + float(sigma[i + 1]) * predicted
        if progress:
            progress(i + 1, len(timesteps) - 1)
    return latent


def sample_turns(
    predict_v: TurnPredictor,
    noise: Tensor,
    schedule: NoiseSchedule,
    steps: int,
    progress: Progress | None = None,
) -> Tensor:
    """Few large steps of a student that learned them (`train.fewsteps`), uniform in time.

    Each turns signal and noise by an angle: x' = cos x - sin v, DDIM's step (Salimans and Ho, arXiv
    2202.00512, appendix D). Arguments and result are those of `sample_latents`.
    """
    cosines, sines = schedule.turns(steps)
    latent = noise
    for i in range(steps):
        latent = float(cosines[i]) * latent - float(sines[i]) * predict_v(latent, i)
        if progress:
            progress(i + 1, steps)
    return latent


def guide(
    predict_noise: Callable[[Tensor, Tensor, Tensor], Tensor],
    features: Tensor,
    unconditional: Tensor,
    guidance: float,
    held_below: float = 0.0,
) -> NoisePredictor:
    """Classifier-free guidance in one batch: e_u + w (e_c - e_u) (Ho & Salimans, arXiv 2207.12598).

    Args:
        predict_noise: (latents (2b, ...), timestep, features (2b, ...)) -> noise (2b, ...).
        features: (b, ...) what is asked for.
        unconditional: (b, ...) what stands for nothing asked (or for a negative prompt).
        guidance: w; 1 switches guidance off, and the second half of the batch with it.
        held_below: timestep under which e_c - e_u is no longer asked for, but stays what it was:
            late in the diffusion it hardly changes, and left out it is missed.
    """
    if guidance == 1:
        return lambda latent, time: predict_noise(latent, time, features)
    both = torch.cat([unconditional, features])
    held: list[Tensor] = []

    def guided(latent: Tensor, time: Tensor) -> Tensor:
        if held and float(time) < held_below:
            return predict_noise(latent, time, features) + (guidance - 1) * held[0]
        without, with_ = predict_noise(torch.cat([latent, latent]), time, both).chunk(2)
        held[:] = [with_ - without]
        return without + guidance * (with_ - without)

    return guided


def steer(
    predict_noise: NoisePredictor,
    log_probability: Callable[[Tensor, Tensor], Tensor],
    schedule: NoiseSchedule,
    scale: float,
) -> NoisePredictor:
    """Classifier guidance: e - scale * sigma(t) * d log p / d latent ("double guidance" when what
    it steers is guided already).

    Args:
        log_probability: (latent (b, ...), timestep) -> (b,), differentiable in the latent.

    Source: Dhariwal & Nichol 2021, arXiv 2105.05233, algorithm 2.
    """

    def steered(latent: Tensor, time: Tensor) -> Tensor:
        with torch.inference_mode(False), torch.enable_grad():
            probe = latent.detach().clone().requires_grad_()
            (slope,) = torch.autograd.grad(log_probability(probe, time).sum(), probe)
        _, sigma = schedule.signal_and_noise((time + 1) / schedule.timesteps)
        return predict_noise(latent, time) - scale * float(sigma) * slope

    return steered
