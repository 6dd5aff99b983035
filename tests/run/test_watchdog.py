"""Scenes that went wrong are named, sound ones are left alone."""

import pytest
import torch
from scenes import SIDES, box

from dream3d.cameras import turntable
from dream3d.render.reference import Reference
from dream3d.run.watchdog import SOLID, Watchdog, chroma, verdict
from dream3d.types import Image


def pictures(alpha: float, grey: float = 0.5, size: int = 16) -> Image:
    """Two views of one colour and one opacity."""
    opacity = torch.full((2, size, size, 1), alpha)
    return Image(grey * opacity.expand(-1, -1, -1, 3), opacity)


def disc(colour: tuple[float, float, float], size: int = 32) -> Image:
    """An opaque disc of a colour in the middle of one view."""
    y, x = torch.meshgrid(*2 * [torch.linspace(-1, 1, size)], indexing="ij")
    alpha = ((x**2 + y**2) < 0.4).float()[None, ..., None]
    return Image(alpha * torch.tensor(colour), alpha)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (pictures(0.0), "the scene is empty"),
        (pictures(0.002), "the scene is empty"),
        (pictures(1.0), "the scene is solid"),
        (pictures(0.98), "the scene is solid"),
        (disc((1.0, 0.0, 1.0)), "the colours are saturated"),
        (disc((0.01, 0.99, 0.0)), "the colours are saturated"),
    ],
)
def test_what_went_wrong_is_named_with_what_to_try(image, said):
    found = verdict(image)
    assert found is not None and found.startswith(said) and "try " in found


@pytest.mark.parametrize("image", [disc((0.6, 0.4, 0.2)), disc((1.0, 0.5, 0.0)), pictures(0.5), pictures(0.01)])
def test_sound_scenes_are_left_alone(image):
    assert verdict(image) is None


def test_a_real_object_is_sound_in_ordinary_colours_and_saturated_in_pure_ones():
    camera = turntable(4, 0.3, 3.2, 0.7, 48)
    assert set(sum(SIDES.values(), ())) == {0, 1}  # the box has pure colours only
    pure = Reference(box()).picture(camera, ambient=1.0)
    assert "saturated" in str(verdict(pure))
    assert verdict(Image(0.2 * pure.alpha + 0.6 * pure.colour, pure.alpha)) is None


def test_a_large_object_is_not_solid_while_one_corner_is_free():
    image = pictures(1.0)
    image.alpha[:, :, :2] = 0
    assert (
        float(image.alpha.mean()) > 0.85
        and verdict(Image(0.5 * image.alpha.expand(-1, -1, -1, 3), image.alpha)) is None
    )
    assert SOLID > 0.9


def test_saturation_is_the_share_of_channels_at_the_ends_of_what_is_opaque():
    colour = torch.tensor([[0.0, 0.5, 1.0], [0.5, 0.5, 0.5], [1.0, 1.0, 1.0]]).view(1, 1, 3, 3)
    alpha = torch.tensor([[[1.0, 1.0, 0.2]]])
    assert float(chroma(colour, alpha)) == pytest.approx(2 / 6)
    assert float(chroma(colour, torch.zeros(1, 1, 3))) == 0
    half = torch.full((1, 1, 3), 0.8)  # premultiplied: 0.8 of 0.8 is pure
    assert float(chroma(torch.full((1, 1, 3, 3), 0.8), half)) == 1


def test_each_warning_is_said_once_with_its_first_step():
    dog = Watchdog()
    assert dog.look(disc((0.6, 0.4, 0.2)), 10) == []
    assert dog.look(pictures(0.0), 20)[0].startswith("step 20: the scene is empty")
    assert dog.look(pictures(0.0), 30) == []
    assert dog.look(pictures(1.0), 40)[0].startswith("step 40: the scene is solid")
    dog.extend(["a word is not known", dog.warnings[0]])
    assert [w.split(":")[0] for w in dog.warnings] == ["step 20", "step 40", "a word is not known"]
