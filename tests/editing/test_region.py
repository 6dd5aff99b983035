from dataclasses import replace

import torch
from scenes import sphere

from dream3d.editing.region import box, lattice, where_shapes_differ, widened


def ball(radius: float, colour: list[float]):
    mesh = sphere(radius, 3)
    return replace(mesh, colours=torch.tensor(colour).expand(len(mesh.vertices), 3).clone())


def test_a_box_holds_the_vertices_in_it() -> None:
    found = box([-1, 0, -1, 1, 1, 0], 5)  # y in [0, 1], z in [-1, 0]
    assert torch.equal(found.bool(), (lattice(5)[..., 1] >= 0) & (lattice(5)[..., 2] <= 0))
    assert float(found.sum()) == 5 * 3 * 3


def test_the_lattice_is_what_the_field_reads() -> None:
    from dream3d.fields.encoding import trilinear

    points = lattice(6)
    table = points.reshape(-1, 3)
    x = 2 * torch.rand(40, 3) - 1
    torch.testing.assert_close(trilinear(table, x, 6), x, atol=1e-6, rtol=0)


def test_another_size_differs_in_the_shell_between() -> None:
    found = where_shapes_differ(ball(0.5, [0.5] * 3), ball(0.7, [0.5] * 3), 25).bool()
    radius = lattice(25).norm(dim=-1)
    assert found[(radius > 0.54) & (radius < 0.66)].all()
    assert not found[(radius < 0.46) | (radius > 0.74)].any()


def test_another_colour_differs_near_the_surface_and_only_there() -> None:
    a = ball(0.5, [0.5, 0.4, 0.3])
    half = a.vertices[:, 0] > 0
    b = replace(a, colours=torch.where(half[:, None], torch.tensor([0.8, 0.1, 0.1]), a.colours))
    found, points = where_shapes_differ(a, b, 25).bool(), lattice(25)
    radius = points.norm(dim=-1)
    near = (radius - 0.5).abs() < 0.1
    assert found[near & (points[..., 0] > 0.1)].all()
    assert not found[points[..., 0] < -0.1].any() and not found[radius > 0.7].any()
    assert not where_shapes_differ(a, a, 13).any()


def test_widening_grows_a_vertex_to_a_cube() -> None:
    one = torch.zeros(9, 9, 9)
    one[4, 4, 4] = 1
    assert torch.equal(widened(one, 0), one)
    grown = widened(one, 2)
    assert float(grown.sum()) == 5**3 and bool(grown[2:7, 2:7, 2:7].all())
