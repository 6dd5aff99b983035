"""A mesh that is kept: what is trained, what is saved."""

from dataclasses import replace
from functools import partial

import torch
from scenes import box, sphere

from dream3d.fields.material import Material
from dream3d.fields.mesh_field import dmtet, frozen
from dream3d.fields.voxel import Voxel
from dream3d.types import Explicit, Field


def voxel():
    return Voxel(generator=torch.Generator().manual_seed(0), size=6)


def test_it_is_an_explicit_field_that_shows_the_mesh_in_the_appearances_colours():
    field, appearance = frozen(appearance=voxel(), mesh=box()), voxel()
    assert isinstance(field, Explicit) and isinstance(field, Field)
    mesh, grid = field.extract()
    assert grid is None and torch.equal(mesh.vertices, box().vertices) and torch.equal(mesh.faces, box().faces)
    x = torch.rand(9, 3) - 0.5
    torch.testing.assert_close(field.surface(x).colour, appearance.surface(x).colour)


def test_only_colours_and_material_are_trained():
    field = frozen(appearance=voxel(), mesh=box(), colour_scale=0.5, material=partial(Material, lr_scale=0.3))
    before = {g["name"]: g["lr_scale"] for g in voxel().parameter_groups()}
    after = {g["name"]: g["lr_scale"] for g in field.parameter_groups()}
    assert after == {**{name: 0.5 * scale for name, scale in before.items()}, "material": 0.3}
    assert sum(p.numel() for p in field.parameters()) == sum(
        p.numel() for g in field.parameter_groups() for p in g["params"]
    )


def test_of_an_explicit_field_the_colours_go_on_but_not_the_shape():
    tets = dmtet(appearance=voxel(), distance=lambda x: x.norm(dim=1) - 0.5, resolution=8, levels=[4])
    field = frozen(appearance=tets, mesh=box())
    assert field.appearance is tets.appearance


def test_the_state_holds_the_mesh():
    kept = replace(sphere(), uv=torch.rand(len(sphere().vertices), 2), placement=torch.arange(4.0))
    saved = frozen(appearance=voxel(), mesh=kept).state_dict()
    for other in (box(), replace(box(), normals=box().vertices)):
        field = frozen(appearance=voxel(), mesh=other)
        field.load_state_dict(saved)
        mesh, _ = field.extract()
        assert torch.equal(mesh.vertices, kept.vertices) and torch.equal(mesh.uv, kept.uv)
        assert torch.equal(mesh.placement, kept.placement) and mesh.normals is None
