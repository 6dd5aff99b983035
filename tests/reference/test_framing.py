"""An object is put where it is wanted in a square frame, pixel for pixel."""

import numpy as np
import pytest
import torch
from pictures import disc

from dream3d.cameras import orbit
from dream3d.errors import UserError
from dream3d.reference.framing import Box, box_in, box_of, normals_in_world, place, whole
from dream3d.reference.target import Target
from dream3d.types import Image

EDGES = torch.tensor([[10.3, 30.6], [14.8, 29.9]])


def alpha_of(**more) -> torch.Tensor:
    return torch.from_numpy(disc(**more).astype(np.float32))


def test_the_object_goes_into_the_box():
    alpha = alpha_of(size=100, radius=0.2, centre=(0.3, 0.7))
    box = Box(0.4, 0.6, 0.5)
    placed = place(alpha[..., None], alpha, box)
    got = box_in(placed[..., 0])
    assert placed.shape == (80, 80, 1) and int(placed.sum()) == int(alpha.sum())
    assert all(abs(a - b) < 0.02 for a, b in zip((got.x, got.y, got.extent), (0.4, 0.6, 0.5), strict=True))


def test_pixels_that_are_partly_covered_count_as_far_as_they_are():
    """A square with edges at 10.3, 14.8, 30.6 and 29.9 pixels, drawn exactly."""
    at = torch.arange(40.0)
    across, down = ((torch.minimum(at + 1, b) - torch.maximum(at, a)).clamp(min=0) for a, b in EDGES)
    found = box_of(down[:, None] * across[None])
    assert torch.allclose(torch.tensor(found), torch.tensor([10.3, 14.8, 30.6, 29.9]), atol=1e-4)


def test_what_hangs_over_the_edge_is_empty():
    alpha = torch.zeros(40, 40)
    alpha[:20, :20] = 1
    placed = place(alpha[..., None], alpha, Box(extent=0.4))
    assert placed.shape == (50, 50, 1) and placed[:15].sum() == 0 and placed[15:35, 15:35].min() == 1


def test_a_whole_picture_is_padded_to_a_square():
    wide = torch.ones(10, 20, 2)
    assert whole(wide).shape == (20, 20, 2) and whole(wide)[5:15].min() == 1 and whole(wide)[:5].sum() == 0


def test_no_object_is_one_line():
    with pytest.raises(UserError, match="without an object"):
        place(torch.zeros(20, 20, 1), torch.zeros(20, 20), Box())


def test_normals_are_turned_into_the_world():
    """Towards the viewer is where the camera is."""
    camera = orbit(*(torch.tensor([a]) for a in (0.7, 0.3, 3.0, 0.7)), size=4)
    toward = torch.tensor([0.5, 0.5, 1.0]).expand(4, 4, 3)
    got = normals_in_world(toward, camera.c2w[0])
    assert torch.allclose(got[0, 0], camera.c2w[0, :3, 3] / 3.0, atol=1e-5)


def test_a_target_changes_size_by_areas():
    alpha = alpha_of(size=64)[None, ..., None]
    small = Target(Image(alpha.expand(-1, -1, -1, 3) * 0.5, alpha), alpha * 2).resized(16)
    assert torch.allclose(small.image.alpha, alpha.view(1, 16, 4, 16, 4, 1).mean(dim=(2, 4)))
    assert small.depth is not None and small.depth.shape == (1, 16, 16, 1)
