import json

import numpy as np
import torch
from scenes import box, sphere

from dream3d.priors.mini.captions import COLOURS
from dream3d.priors.mini.template import CELLS
from dream3d.priors.mini.views import Views
from dream3d.priors.mini.volumes import Volumes, solid, surface_points, volume_loss
from dream3d.types import Mesh


def plain(mesh, colour=(0.2, 0.4, 0.6)) -> torch.Tensor:
    attributes = torch.zeros(len(mesh.vertices), 7)
    attributes[:, :3] = torch.tensor(colour)
    return attributes


def test_a_solid_sphere_has_the_volume_and_the_colour_of_the_sphere():
    mesh = sphere()
    cells = solid(mesh, plain(mesh)) / 255.0
    radius = float(mesh.vertices.norm(dim=-1).mean())
    volume = cells[..., 3].sum() * (2 / CELLS) ** 3
    # Cells on the surface count as full from a share of 0.4 on: about 0.3 cells more on all sides.
    assert abs(volume / (4 / 3 * np.pi * (radius + 0.3 * 2 / CELLS) ** 3) - 1) < 0.08
    middle = cells[CELLS // 2, CELLS // 2, CELLS // 2]
    assert np.allclose(middle, [0.2, 0.4, 0.6, 1, 0, 0, 0, 0], atol=0.01)
    assert cells[0, 0, 0].max() == 0


def test_a_sheet_is_opaque_in_every_cell_it_crosses():
    """Open surfaces enclose nothing, and a sheet fills a small share of a cell; pictures show neither."""
    corners = torch.tensor([[-0.5, -0.5, 0.01], [0.5, -0.5, 0.01], [0.5, 0.5, 0.01], [-0.5, 0.5, 0.01]])
    sheet = Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]), torch.zeros(4, 3))
    cells = solid(sheet, plain(sheet)) / 255.0
    quarter = CELLS // 4
    crossed = cells[CELLS // 2, quarter:-quarter, quarter:-quarter]
    assert crossed[..., 3].min() > 0.6
    assert np.allclose(crossed[..., :3] / crossed[..., 3:4], [0.2, 0.4, 0.6], atol=0.02)


def test_surface_points_lie_on_the_surface_and_are_uniform():
    mesh = box()
    points, values = surface_points(mesh, plain(mesh), 20_000, torch.Generator().manual_seed(0))
    half = mesh.vertices.abs().amax(0)
    assert torch.allclose((points.abs() / half).amax(1), torch.ones(len(points)), atol=1e-5)
    assert torch.allclose(values[0], plain(mesh)[0])
    top = float((points[:, 1] > half[1] - 1e-5).float().mean())
    area = half[0] * half[2] / (2 * (half[0] * half[1] + half[1] * half[2] + half[0] * half[2]))
    assert abs(top - float(area)) < 0.01


def test_a_named_colour_tints_the_target(tmp_path):
    mesh = box()
    attributes = plain(mesh, (0.0, 0.0, 0.8))
    attributes[:, 3:6], attributes[:, 6] = attributes[:, :3], 0.5  # all of it takes paint
    card = {"concept": "car", "nouns": ["car"], "style": None, "color": "blue", "recolor": True,
            "symmetric": False, "weight": 1, "number": 0}  # fmt: skip
    (tmp_path / "assets.json").write_text(json.dumps([card]))
    np.savez(
        tmp_path / "views-000.npz", views=np.zeros((1, 4, 4, 8), np.uint8), asset=np.zeros(1, np.int32),
        group=np.zeros(1, np.int32), camera=np.zeros((1, 17), np.float32),
    )  # fmt: skip
    np.savez(tmp_path / "volumes.npz", volumes=solid(mesh, attributes)[None])
    captions, targets = Volumes(tmp_path, Views(tmp_path)).batch(60, (0, 0))
    middle = targets[:, :3, CELLS // 2, CELLS // 2, CELLS // 2]
    assert targets.shape == (60, 4, CELLS, CELLS, CELLS)
    named = [next((c for c in COLOURS if c in caption.split()), None) for caption in captions]
    assert len(set(named)) > 5
    for name, colour in zip(named, middle, strict=True):
        expected = (0.0, 0.0, 0.8) if name is None else np.array(COLOURS[name]) / 255
        assert np.allclose(colour, expected, atol=0.02)


def test_the_loss_is_zero_for_the_cells_themselves():
    target = torch.zeros(1, 4, 4, 4, 4)
    target[:, :, 1] = torch.tensor([0.3, 0.1, 0.2, 1.0])[:, None, None]
    cells = torch.full_like(target, -50.0)
    cells[:, 0, 1], cells[:, 1:, 1] = 50.0, target[:, :3, 1]
    assert float(volume_loss(cells, target)) < 1e-8
    assert float(volume_loss(-cells, target)) > 0.1
