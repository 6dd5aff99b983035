"""log(1 + 10 w) as a mean over steps."""

import math

import torch
from handmade_renders import scene

from dream3d.regularize.emptiness import emptiness


def test_closed_form_is_the_mean_over_all_steps_of_the_diameter():
    # 8 steps of 0.25 make the diameter 2: SJC's mean over rays and samples.
    weights = torch.zeros(2, 8)
    weights[0, 3], weights[1, 5] = 0.5, 0.1
    want = (math.log(6) + math.log(2)) / 16
    torch.testing.assert_close(emptiness(scene(weights)), torch.tensor(want).double())


def test_skipped_steps_change_nothing():
    every, few = scene([[0.0, 0.3, 0.2, 0.0]]), scene([[0.3, 0.2]])
    torch.testing.assert_close(emptiness(every), emptiness(few))


def test_gradient_is_strongest_on_haze():
    weights = torch.tensor([[0.01, 0.9]]).double().requires_grad_()
    emptiness(scene(weights)).backward()
    assert weights.grad[0, 0] > weights.grad[0, 1] > 0


def test_gradcheck():
    weights = torch.rand(2, 3, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda w: emptiness(scene(w)), weights)
