import pytest
import torch

from dream3d.mesh.build import Build
from dream3d.mesh.delight import delit, shade

LIGHT = (0.0, 2.0, 0.0, 0.6)  # from above, of any length
NORMALS = torch.tensor([[0.0, 1, 0], [1, 0, 0], [0, -1, 0]])


def test_shade_from_above():
    assert torch.allclose(shade(NORMALS, LIGHT), torch.tensor([1.0, 0.6, 0.2]))


def test_what_was_shaded_becomes_albedo_again():
    albedo = torch.tensor([[0.9, 0.5, 0.1]]).expand(3, 3)
    lit = albedo * shade(NORMALS, LIGHT)[:, None]
    assert torch.allclose(delit(lit, NORMALS, LIGHT), albedo, atol=1e-6)
    assert torch.equal(delit(lit, NORMALS, None), lit)


def test_a_light_has_four_numbers():
    assert Build(light="auto").known_light is None and Build(light=LIGHT).known_light == LIGHT
    for wrong in ("sun", [1, 2, 3], [0, 0, 0, 0.5]):
        with pytest.raises(ValueError, match=r"mesh\.light: got"):
            Build(light=wrong)
