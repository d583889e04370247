"""The denoiser: what it may and may not depend on."""

from dataclasses import replace

import torch

from foleycli.latents.denoiser import SPREAD, Denoiser, DenoiserConfig, expected_v
from foleycli.latents.schedule import NoiseSchedule

TINY = DenoiserConfig(channels=6, patch=8, width=32, depth=2, heads=2, local=True)
YES, NO = torch.tensor([True]), torch.tensor([False])


def scrambled() -> Denoiser:
    """Random weights everywhere, also where training starts at zero."""
    torch.manual_seed(0)
    denoiser = Denoiser(TINY)
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return denoiser.eval().requires_grad_(False)


def inputs(rows: int = 8) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(1, 2 * rows, 6, generator=generator)
    return latents, torch.tensor([500.0]), torch.rand(1, rows, 512, generator=generator)


def test_it_starts_as_zero():
    v, spread = Denoiser(TINY)(*inputs(), YES, YES)
    assert v.shape == spread.shape == (1, 16, 6)
    assert not v.any()
    assert (spread == 1).all()


def test_variances_stay_within_bounds_and_are_the_channels_where_not_predicted():
    denoiser = scrambled()
    denoiser.spread_out.bias.copy_(torch.tensor([-1e4, -1.0, 0.0, 1.0, 1e4, 0.0]))
    _, spread = denoiser(*inputs(), YES, YES)
    assert spread.min() == torch.tensor(-SPREAD).exp()
    assert spread.max() == torch.tensor(SPREAD).exp()
    plain = Denoiser(replace(TINY, local=False))
    assert "spread_out.weight" not in plain.state_dict()
    assert (plain(*inputs(), YES, YES)[1] == 1).all()


def test_what_is_withheld_is_not_seen():
    denoiser, (latents, time, features) = scrambled(), inputs()
    other_what, other_when = features.clone(), features.clone()
    other_what[..., :384] += 1
    other_when[..., 384:416] += 1

    def v(features, with_what, with_when):
        return torch.stack(denoiser(latents, time, features, with_what, with_when))

    torch.testing.assert_close(v(features, NO, YES), v(other_what, NO, YES))
    torch.testing.assert_close(v(features, YES, NO), v(other_when, YES, NO))
    assert not torch.allclose(v(features, YES, YES), v(other_what, YES, YES))
    assert not torch.allclose(v(features, YES, YES), v(other_when, YES, YES))


def test_a_curve_point_reaches_the_token_it_lies_in():
    denoiser, (_, _, features) = scrambled(), inputs()
    features[:] = 0
    features[0, 3, 384 + 9] = 1  # row 3, hit 9 of 16: the second token of the row
    _, when = denoiser._split(features)
    assert when.shape == (1, 16, 16)
    assert when.nonzero().tolist() == [[0, 7, 1]]


def test_expected_v_is_the_least_squares_guess():
    generator = torch.Generator().manual_seed(0)
    variances = torch.tensor([0.04, 1.0, 3.0])
    data = torch.randn(200_000, 3, generator=generator) * variances.sqrt()
    noise = torch.randn(data.shape, generator=generator)
    alpha, sigma = (x.float() for x in NoiseSchedule.cosine().signal_and_noise(torch.tensor(0.3)))
    noisy, v = alpha * data + sigma * noise, alpha * noise - sigma * data
    fitted = (noisy * v).sum(0) / (noisy * noisy).sum(0)
    guess = expected_v(torch.ones(3), alpha, sigma, variances)
    torch.testing.assert_close(fitted, guess, atol=0.01, rtol=0)
    each = expected_v(torch.ones(2, 5, 3), alpha, sigma, variances.expand(2, 5, 3))
    torch.testing.assert_close(each, guess.expand(2, 5, 3))


def test_cosine_schedule_keeps_power_and_ends_in_noise():
    schedule = NoiseSchedule.cosine()
    alpha, sigma = schedule.signal_and_noise(torch.tensor([0.001, 0.5, 1.0]))
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(alpha[-1], torch.tensor(0.005, dtype=torch.float64))
    assert float(alpha[0]) > 0.99999


def test_an_example_is_part_of_what():
    torch.manual_seed(0)
    denoiser = Denoiser(replace(TINY, timbre=96)).requires_grad_(False)
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    latents, time, features = inputs()
    plain = features.clone()
    plain[..., 416:] = 0
    assert not torch.allclose(
        denoiser(latents, time, features, YES, YES)[0], denoiser(latents, time, plain, YES, YES)[0]
    )
    torch.testing.assert_close(
        denoiser(latents, time, features, NO, YES), denoiser(latents, time, plain, NO, YES)
    )
