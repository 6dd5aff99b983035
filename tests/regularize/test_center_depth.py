"""sign(x) log|x|: the same pull on both sides of 0."""

import math

import pytest
import torch
from handmade_renders import picture

from dream3d.regularize.center_depth import center_depth


def scene_of(centre: torch.Tensor, border: float):
    depth = torch.full((2, 8, 8, 1), border)
    inside = torch.zeros(2, 8, 8, 1, dtype=torch.bool)
    inside[:, 2:6, 2:6] = True
    return picture(torch.ones(2, 8, 8, 1), torch.where(inside, centre, depth))


@pytest.mark.parametrize("centre", [2.0, 5.0])
def test_closed_form_and_gradient(centre: float):
    c = torch.tensor(centre, requires_grad=True)
    loss = center_depth(scene_of(c, 3.0), share=0.5)
    x = centre - 3.0
    torch.testing.assert_close(
        loss, torch.tensor(math.copysign(math.log(abs(x)), x) if abs(x) > 1 else 0.0), atol=2e-5, rtol=0
    )
    loss.backward()
    # Descending brings the centre nearer on both sides, by 1 / |x|.
    torch.testing.assert_close(c.grad, torch.tensor(1 / abs(x)), rtol=1e-4, atol=0)


def test_transparent_pixels_have_the_background_depth():
    alpha = torch.zeros(1, 8, 8, 1)
    alpha[:, 2:6, 2:6] = 1
    depth = 3 * alpha
    torch.testing.assert_close(
        center_depth(picture(alpha, depth), share=0.5), torch.tensor(-math.log(7.0)), atol=1e-5, rtol=0
    )


def test_empty_picture_is_still():
    alpha = torch.zeros(1, 8, 8, 1, requires_grad=True)
    loss = center_depth(picture(alpha))
    loss.backward()
    assert loss == 0 and (alpha.grad == 0).all()


def test_share_must_leave_box_and_border():
    for share in (0.0, 1.0):
        with pytest.raises(ValueError, match="both box and border"):
            center_depth(picture(torch.ones(1, 8, 8, 1)), share=share)
