import pytest
import torch
from skimage.color import rgb2lab

from dream3d.metrics.colour_name import colour_match, lab
from dream3d.types import Image

PALETTE = torch.tensor([[0.8, 0.1, 0.1], [0.2, 0.3, 0.8], [0.95, 0.95, 0.95]])


def test_lab_is_that_of_another_library():
    colours = torch.rand(50, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(lab(colours), torch.tensor(rgb2lab(colours.numpy()[None])[0]), atol=0.05, rtol=0)


def test_a_third_of_the_solid_pixels_is_red():
    """Half-transparent reds count by their straight colour, and what is clear does not count."""
    colour, alpha = torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 1)
    alpha[0, 0], colour[0, 0] = 1.0, PALETTE
    alpha[0, 0, 0], colour[0, 0, 0] = 0.6, 0.6 * torch.tensor([0.7, 0.2, 0.15])
    image = Image(colour, alpha)
    assert colour_match(image, PALETTE, 0) == pytest.approx(1 / 3)
    assert sum(colour_match(image, PALETTE, i) for i in range(3)) == pytest.approx(1)


def test_nothing_has_no_colour_and_an_unknown_one_is_refused():
    clear = Image(torch.zeros(1, 2, 2, 3), torch.zeros(1, 2, 2, 1))
    assert colour_match(clear, PALETTE, 0) == 0.0
    with pytest.raises(ValueError, match="got colour 3"):
        colour_match(clear, PALETTE, 3)
