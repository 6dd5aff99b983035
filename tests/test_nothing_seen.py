"""A step whose rays meet nothing: 0 points through every field, encoding, regulariser and renderer, and back."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from scenes import box
from torch import Tensor, nn

from dream3d.cameras import turntable
from dream3d.fields.encoding import positional, sides, trilinear, triplane
from dream3d.fields.hashing import Pyramid, hash_torch
from dream3d.fields.material import Material
from dream3d.fields.mesh_field import frozen
from dream3d.geometry.lattice import lattice
from dream3d.render.environment import EnvironmentLight
from dream3d.render.normals import normals_analytic, normals_finite
from dream3d.render.surface import MeshRenderer
from dream3d.render.volume import VolumeRenderer
from dream3d.seeding import generator
from dream3d.types import Camera, Image, Mesh, Render, SignedGrid

ROOT = Path(__file__).parents[1]
FIELDS = sorted(path.stem for path in (ROOT / "conf/field").glob("*.yaml"))
OF_RENDERS = sorted(
    path.stem
    for path in (ROOT / "dream3d/regularize").glob("*.py")
    if path.stem not in ("__init__", "rays", "surfaces", "variation")
)
NOTHING = torch.zeros(0, 3)


def made(name: str) -> nn.Module:
    return instantiate(OmegaConf.load(ROOT / f"conf/field/{name}.yaml"))(generator=generator(0, 0, "field"))


def trained(total: Tensor, parameters: list[Tensor]) -> None:
    """The way back is there, and what comes back is 0 or nothing."""
    assert torch.isfinite(total)
    total.backward()
    for parameter in parameters:
        assert parameter.grad is None or torch.equal(parameter.grad, torch.zeros_like(parameter))


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("normals", [None, normals_finite, normals_analytic])
def test_fields(name: str, normals: Callable[[nn.Module, Tensor], Tensor] | None) -> None:
    field = made(name)
    surface = field.surface(NOTHING)
    assert surface.density.shape == (0,) and surface.colour.shape == (0, 3)
    total = surface.density.sum() + surface.colour.sum() + field.density(NOTHING).sum()
    if normals is not None:
        found = normals(field, NOTHING)
        assert found.shape == (0, 3)
        total = total + found.sum()
    trained(total, list(field.parameters()))


ENCODINGS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], tuple[int, ...]]] = {
    "positional": (lambda _, x: positional(x, 4), (1,)),
    "trilinear": (lambda table, x: trilinear(table, x, 3), (27, 2)),
    "triplane": (lambda planes, x: triplane(planes, sides(x)), (3, 2, 4, 4)),
    "hash": (lambda table, x: hash_torch(table, x, Pyramid(3, 2, 6, 2, 8)), (Pyramid(3, 2, 6, 2, 8).rows() * 2,)),
}


@pytest.mark.parametrize("name", sorted(ENCODINGS))
@pytest.mark.parametrize("differentiable", [False, True])
def test_encodings(name: str, differentiable: bool) -> None:
    encode, shape = ENCODINGS[name]
    table, x = torch.ones(shape, requires_grad=True), NOTHING.clone().requires_grad_(differentiable)
    features = encode(table, x)
    assert features.shape[0] == 0 and features.shape[1] == encode(table, torch.zeros(1, 3)).shape[1]
    trained(features.sum() + table.sum() * 0, [table])


def away(views: int = 2) -> Camera:
    """Cameras that look past everything."""
    camera = turntable(views, 0.2, 3.0, 0.7, 8)
    c2w = camera.c2w.clone()
    c2w[:, :3, [0, 2]] *= -1  # turn round
    return Camera(c2w, camera.fov_y, camera.azimuth, camera.elevation, camera.distance, 8, 8)


def volume(name: str, normals: str) -> tuple[nn.Module, Render]:
    field = made(name)
    renderer = VolumeRenderer(samples=8, occupancy=4)
    return field, renderer(field, away(), generator(0, 0, "march"), normals=normals)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("normals", ["none", "finite", "analytic"])
def test_volume_renderer(name: str, normals: str) -> None:
    field, render = volume(name, normals)
    assert render.samples is not None and len(render.samples.ray) == 0
    assert render.image.alpha.shape == (2, 8, 8, 1) and render.image.alpha.abs().max() == 0
    trained(render.image.colour.sum() + render.image.alpha.sum() + render.depth.sum(), list(field.parameters()))


@pytest.mark.parametrize("light", [None, EnvironmentLight()])
def test_mesh_renderer(light: EnvironmentLight | None) -> None:
    field = frozen(appearance=made("triplane"), mesh=box(), material=None if light is None else Material)
    render = MeshRenderer(light=light)(field, away())
    assert render.image.alpha.abs().max() == 0
    trained(render.image.colour.sum() + render.depth.sum(), list(field.parameters()))


def renders() -> list[Render]:
    """One of each kind: a volume without samples, a mesh without triangles, a grid without a surface."""
    _, empty = volume("triplane", "finite")
    image, depth = Image(torch.zeros(1, 8, 8, 3), torch.zeros(1, 8, 8, 1)), torch.zeros(1, 8, 8, 1)
    mesh = Mesh(NOTHING.clone().requires_grad_(), torch.zeros(0, 3, dtype=torch.int64))
    nodes, cells = lattice(4)
    outside = torch.ones(len(nodes), requires_grad=True)
    grid = SignedGrid(nodes, torch.zeros_like(nodes), outside, cells, 0.5, torch.zeros(0, requires_grad=True))
    return [empty, Render(image, depth, mesh=mesh), Render(image, depth, grid=grid)]


@pytest.mark.parametrize("name", OF_RENDERS)
def test_regularisers(name: str) -> None:
    loss = getattr(importlib.import_module(f"dream3d.regularize.{name}"), name)
    taken = 0
    for render in renders():
        try:
            value = loss(render)
        except ValueError as error:  # it wants another kind of render
            assert f"{name}: got a" in str(error)
            continue
        taken += 1
        assert torch.isfinite(value)
        if value.requires_grad:
            value.backward()
    assert taken
