"""Closed form: each prediction of a known (x, noise) must be read back as that x and that noise."""

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LCMScheduler,
)

from dream3d.diffusion import alpha_sigma
from dream3d.errors import UserError
from dream3d.priors import prediction_type
from dream3d.priors.prediction_type import PREDICTIONS


def pair():
    torch.manual_seed(0)
    return torch.randn(5, 3, 4, 4, dtype=torch.float64), torch.randn(5, 3, 4, 4, dtype=torch.float64)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_target_is_read_back_as_noise_and_sample(prediction):
    x, noise = pair()
    alpha_bar = torch.linspace(0.999, 0.001, 100, dtype=torch.float64)
    alpha, sigma = alpha_sigma(alpha_bar, torch.tensor([0, 10, 50, 90, 99]), x)
    x_t = alpha * x + sigma * noise
    out = prediction_type.target(prediction, x, noise, alpha, sigma)
    assert torch.allclose(prediction_type.to_eps(prediction, out, x_t, alpha, sigma), noise, atol=1e-12)
    assert torch.allclose(prediction_type.to_x0(prediction, out, x_t, alpha, sigma), x, atol=1e-10)


def test_flow_input_is_the_straight_path():
    x, noise = pair()
    s = torch.tensor([0.001, 0.2, 0.5, 0.9, 1.0], dtype=torch.float64)
    alpha, sigma = alpha_sigma(prediction_type.flow_alpha_bar(s), torch.arange(5), x)
    x_s = (1 - s).view(-1, 1, 1, 1) * x + s.view(-1, 1, 1, 1) * noise
    scaled = prediction_type.flow_scale(alpha, sigma) * (alpha * x + sigma * noise)
    assert torch.allclose(scaled, x_s, atol=1e-12)
    assert torch.allclose(sigma / (alpha + sigma), s.view(-1, 1, 1, 1), atol=1e-12)


@pytest.mark.parametrize("kind", [DDIMScheduler, EulerDiscreteScheduler])
def test_alpha_bar_is_the_schedulers(kind):
    scheduler = kind(beta_schedule="scaled_linear", prediction_type="v_prediction")
    alpha_bar, timesteps, prediction = prediction_type.schedule(scheduler)
    assert torch.equal(alpha_bar, scheduler.alphas_cumprod)
    assert torch.equal(timesteps, torch.arange(1000.0)) and prediction == "v_prediction"


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_times_are_the_schedulers_sigmas(shift):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    alpha_bar, timesteps, prediction = prediction_type.schedule(scheduler)
    assert prediction == "flow_prediction" and len(alpha_bar) == 1000
    assert (alpha_bar.diff() < 0).all() and alpha_bar[-1] == 0
    assert torch.allclose(timesteps.flip(0), scheduler.timesteps)
    u = torch.tensor(0.5, dtype=torch.float64)
    s = shift * u / (1 + (shift - 1) * u)
    assert torch.allclose(alpha_bar[499].double(), (1 - s) ** 2 / ((1 - s) ** 2 + s**2), atol=1e-6)


def test_unknown_schedulers_and_predictions_are_named():
    with pytest.raises(ValueError, match="got object"):
        prediction_type.schedule(object())
    scheduler = DDIMScheduler()
    scheduler.register_to_config(prediction_type="score")
    with pytest.raises(ValueError, match="got prediction_type 'score'"):
        prediction_type.schedule(scheduler)


def test_few_steps_are_the_ends_of_equal_parts():
    """SDXL Turbo's four (arXiv 2311.17042, Sec. 3.2) of 1000; a flow's are quarters of its time."""
    alpha_bar, timesteps, _ = prediction_type.schedule(DDIMScheduler(), 4)
    assert timesteps.tolist() == [249, 499, 749, 999]
    assert torch.equal(alpha_bar, DDIMScheduler().alphas_cumprod[[249, 499, 749, 999]])
    _, timesteps, prediction = prediction_type.schedule(FlowMatchEulerDiscreteScheduler(), 4)
    assert timesteps.tolist() == [250, 500, 750, 1000] and prediction == "flow_prediction"
    for wrong in (0, 7):
        with pytest.raises(UserError, match=rf"prior\.steps: got {wrong}, expected a number that divides 1000"):
            prediction_type.schedule(DDIMScheduler(), wrong)
    assert prediction_type.hints(LCMScheduler(), None) and not prediction_type.hints(LCMScheduler(), 50)
    assert not prediction_type.hints(DDIMScheduler(), None)
