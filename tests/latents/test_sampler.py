"""The sampler against the float64 reference solver on an analytic model, and against theory."""

from pathlib import Path

import numpy as np
import torch

from foleycli.latents.sampler import guide, line_weights, sample_corrected, sample_latents
from foleycli.latents.schedule import NoiseSchedule

GOLDEN = np.load(Path(__file__).parent / "solver_analytic_25.npz")


def analytic_model(latent, time, features):
    return torch.tanh(0.5 * latent * (1 + features)) * (0.5 + time / 2000)


def test_times_and_schedule_are_those_of_the_reference():
    schedule = NoiseSchedule.scaled_linear()
    times = schedule.sampling_times(25)
    alpha, sigma = schedule.signal_and_noise(times)
    np.testing.assert_allclose(times, GOLDEN["t_cont"], atol=1e-7)
    np.testing.assert_allclose(schedule.model_time(times[:-1]), GOLDEN["t_input"], atol=1e-4)
    np.testing.assert_allclose(alpha.log(), GOLDEN["log_alpha"], atol=1e-6)
    np.testing.assert_allclose(sigma, GOLDEN["sigma"], atol=1e-6)


def test_25_steps_with_guidance_match_the_reference_solver():
    noise = torch.from_numpy(GOLDEN["x_T"])
    features = torch.full((1, 1, 1, 1), float(GOLDEN["cond_mean"]), dtype=torch.float64)
    predict = guide(analytic_model, features, torch.zeros_like(features), 4.5)
    latent = sample_latents(predict, noise, NoiseSchedule.scaled_linear(), steps=25)
    np.testing.assert_allclose(latent, GOLDEN["x_out"], rtol=1e-6, atol=1e-6)


def test_a_gaussian_is_sampled_with_its_own_spread():
    """For data N(0, s^2) the ideal noise prediction is known; the ODE maps N(0, 1) to N(0, s^2)."""
    schedule, spread = NoiseSchedule.scaled_linear(), 0.3

    def ideal(latent, time):
        alpha, sigma = schedule.signal_and_noise((time + 1) / 1000)
        return latent * sigma / (alpha**2 * spread**2 + sigma**2)

    noise = torch.randn(4096, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    latent = sample_latents(ideal, noise, schedule, steps=200)
    assert abs(float(latent.std() / noise.std()) / spread - 1) < 0.05


def test_steps_denser_at_the_end_keep_the_size_of_detail():
    """What is small under little noise comes out a fifth too large of 25 steps uniform in time."""
    schedule = NoiseSchedule.cosine()
    noise = torch.randn(4096, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def size(spread, power):
        def ideal(latent, time):
            alpha, sigma = schedule.signal_and_noise((time + 1) / 1000)
            return latent * sigma / (alpha**2 * spread**2 + sigma**2)

        latent = sample_latents(ideal, noise, schedule, steps=25, power=power)
        return float(latent.std() / noise.std()) / spread

    for spread in (0.1, 0.2, 0.3, 1.0):
        assert abs(size(spread, 2.0) - 1) < 0.05
    assert size(0.2, 1.0) > 1.2


def test_progress_is_told_every_step():
    seen = []
    sample_latents(
        lambda latent, time: torch.zeros_like(latent),
        torch.zeros(2),
        NoiseSchedule.scaled_linear(),
        steps=4,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_corrected_steps_are_exact_where_data_is_a_straight_line_in_log_snr():
    """All but the last step, which is of first order: data 2 + 3 l, whatever the latent."""
    schedule, steps = NoiseSchedule.cosine(), 8
    times = schedule.sampling_times(steps)
    alpha, sigma = schedule.signal_and_noise(times)
    log_snr = (alpha.log() - sigma.log()).numpy()

    def predict(latent, time):
        alpha, sigma = schedule.signal_and_noise((time + 1) / schedule.timesteps)
        return (latent - alpha * (2 + 3 * (alpha.log() - sigma.log()))) / sigma

    noise = torch.randn(16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    points = np.linspace(log_snr[0], log_snr[-2], 200_001)
    whole = np.trapezoid(np.exp(points) * (2 + 3 * points), points)
    exact = sigma[-2] * (noise / sigma[0] + whole)
    kept = sigma[-1] / sigma[-2]
    exact = kept * exact + (alpha[-1] - kept * alpha[-2]) * (2 + 3 * log_snr[-2])
    made = sample_corrected(predict, noise, schedule, steps)
    np.testing.assert_allclose(made, exact, rtol=1e-4)
    assert float((sample_latents(predict, noise, schedule, steps) - exact).abs().max()) > 1e-3


def test_a_straight_line_is_integrated_exactly():
    start, end = 0.3, 1.1
    points = np.linspace(start, end, 100_001)
    for first, second in ((0.0, 0.3), (0.3, 1.1)):
        old, new = line_weights(first, second, start, end)
        for line in (lambda at: 1 + 0 * at, lambda at: 2 - 3 * at):
            exact = np.trapezoid(np.exp(points) * line(points), points)
            assert abs(old * line(first) + new * line(second) - exact) < 1e-6


def test_late_guidance_keeps_its_difference():
    asked = []

    def predict(latent, time, features):
        asked.append(len(latent))
        return features * (time / 999)

    features, nothing = torch.full((1, 1), 2.0), torch.zeros(1, 1)
    guided = guide(predict, features, nothing, 3.0, held_below=500)
    latent = torch.zeros(1, 1)
    assert float(guided(latent, torch.tensor(999.0))) == 6.0
    held = float(guided(latent, torch.tensor(333.0)))  # 2/3 and twice the difference, 2
    assert abs(held - (2 / 3 + 4)) < 1e-5
    assert asked == [2, 1]
