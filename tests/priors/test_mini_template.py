import math

import torch

from dream3d.cameras import flatten, turntable
from dream3d.priors.mini.network import patch_rays
from dream3d.priors.mini.template import Template


def rendered(volume: torch.Tensor, views: int = 1, size: int = 16, elevation: float = 0.0) -> torch.Tensor:
    camera = flatten(turntable(views, elevation, 3.0, 0.7, size))
    rays = patch_rays(camera, size)[:, :3]
    return Template(8, (4, 4, 4)).render(volume, torch.zeros(views, dtype=torch.long), rays, camera)


def test_an_opaque_ball_has_the_silhouette_of_the_ball():
    volume = torch.zeros(1, 4, 32, 32, 32)
    volume[:, 0] = 100.0
    alpha = rendered(volume, size=64)[0, 3]
    silhouette = math.tan(math.asin(1 / 3)) / math.tan(0.35)
    assert abs(float((alpha > 0.5).float().mean()) - math.pi * silhouette**2 / 4) < 0.02
    assert alpha.max() <= 1 + 1e-4 and alpha[0, 0] == 0


def test_an_empty_volume_is_invisible():
    volume = torch.zeros(1, 4, 32, 32, 32)
    volume[:, 0] = -100.0
    assert float(rendered(volume).abs().max()) < 1e-6


def test_axes_are_those_of_the_world():
    """Red where x > 0, green where y > 0: seen from the front red is to the right, green is above."""
    volume = torch.zeros(1, 4, 32, 32, 32)
    volume[:, 0] = 10.0
    volume[:, 1, :, :, 16:] = 1.0
    volume[:, 2, :, 16:, :] = 1.0
    front, _, back, _ = rendered(volume, views=4)[:, :3]
    assert front[0, 8, 11] > 0.9 and front[0, 8, 4] < 0.1
    assert front[1, 4, 8] > 0.9 and front[1, 11, 8] < 0.1
    assert back[0, 8, 11] < 0.1 and back[0, 8, 4] > 0.9


def test_depth_tells_near_from_far():
    volume = torch.full((1, 4, 32, 32, 32), -20.0)
    volume[:, 0, 24:] = 50.0  # a slab at z > 0.5
    near, _, far, _ = rendered(volume, views=4)[:, -1, 8, 8]
    assert near < -0.4 and far > 0.4


def test_the_decoder_makes_a_volume_a_prompt():
    torch.manual_seed(0)
    template = Template(8, (4, 4, 4), hidden=16)
    volume = template(torch.randn(3, 5, 8))
    assert volume.shape == (3, 4, 32, 32, 32)
    assert float((volume[0] - volume[1]).abs().mean()) > 1e-4


def test_paint_covers_what_takes_it_and_nothing_else():
    torch.manual_seed(0)
    template = Template(8, (4, 4, 4), hidden=16)
    text = torch.randn(1, 5, 8)
    with torch.no_grad():
        template.paint[2].weight.zero_()
        template.paint[2].bias.copy_(torch.tensor([9.0, -9.0, -9.0, -99.0]))
        plain = template(text)
        template.paint[2].bias[3] = 99.0
        for value in (99.0, -99.0):  # of the last channel: how far a cell takes paint
            template.up[2].bias[4] = value
            painted = template(text)
            expected = torch.tensor([1.0, 0.0, 0.0])[:, None] if value > 0 else plain[0, 1:].flatten(1)
            assert torch.allclose(painted[0, 1:].flatten(1), expected.expand(3, 32**3), atol=1e-3)
            assert torch.equal(painted[:, 0], plain[:, 0])
