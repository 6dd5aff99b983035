"""Small glTF and OBJ files of every kind: colours by the formula of glTF 2.0, section 3.9.2, and extents."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from gltf_cases import Quad, Writer, linear, quad_primitive, srgb, write_gltf, write_obj

from dream3d.mesh.paint import coloured_points
from dream3d.mesh.reading import load_mesh, load_textured
from dream3d.render.reference import texture_at

KINDS = ("textured", "vertex", "plain", "nothing")
SECOND = Quad("textured", 1.0, x=4.0, tint=(0.25, 1.0, 0.5))
SHARES = torch.tensor([[1 / 3, 1 / 3, 1 / 3], [0.9, 0.05, 0.05], [0.05, 0.05, 0.9]])


def samples(mesh):
    """Points at three places of every face, in the file's space, and the colours there (0 to 255)."""
    corner = mesh.faces[:, None].expand(-1, len(SHARES), -1)
    share = SHARES[None, :, :, None]
    at = (mesh.vertices[corner] * share).sum(2).reshape(-1, 3) * mesh.placement[3] + mesh.placement[:3]
    if mesh.texture is None:
        colour = (mesh.colours[corner] * share).sum(2).reshape(-1, 3)
    else:
        colour = texture_at(mesh.texture, (mesh.uv[corner] * share).sum(2).reshape(-1, 2))
    return at.numpy(), 255 * colour.numpy()


def compare(mesh, quads):
    """Every sample within 3/255 of the formula at the quarter that it lies in; extents within 1e-4."""
    middles, colours = (np.array(part) for part in zip(*(e for quad in quads for e in quad.expected()), strict=True))
    at, got = samples(mesh)
    quarter = np.linalg.norm(at[:, None] - middles, axis=-1).argmin(1)
    assert set(quarter) == set(range(len(middles)))
    np.testing.assert_allclose(got, colours[quarter], atol=3, rtol=0)
    corners = np.concatenate([quad.corners() for quad in quads])
    np.testing.assert_allclose(at_bounds(mesh), [corners.min(0), corners.max(0)], atol=1e-4)
    assert len(mesh.faces) == 8 * len(quads)


def at_bounds(mesh):
    back = mesh.vertices * mesh.placement[3] + mesh.placement[:3]
    return np.stack((back.amin(0).numpy(), back.amax(0).numpy()))


def quads_of(kind, factor, parts):
    return [Quad(kind, factor), SECOND][:parts]


@pytest.mark.parametrize("kind, parts", list(product(KINDS, (1, 2))))
def test_gltf(kind, parts, tmp_path):
    for factor, alpha, integers in product((None, 1.0, 0.5), ("OPAQUE", "MASK"), (False, True)):
        quads = quads_of(kind, factor, parts)
        suffix = "glb" if integers else "gltf"
        file = write_gltf(tmp_path / f"case.{suffix}", quads, integers, alpha)
        compare(load_textured(file), quads)
        compare(load_mesh(file), quads)


@pytest.mark.parametrize("kind, parts", list(product(KINDS, (1, 2))))
def test_obj(kind, parts, tmp_path):
    for factor in (None, 1.0, 0.5):
        quads = quads_of(kind, factor, parts)
        file = write_obj(tmp_path / "case.obj", quads)
        compare(load_textured(file), quads)
        compare(load_mesh(file), quads)


def test_the_comparison_can_fail(tmp_path):
    file = write_gltf(tmp_path / "case.glb", [Quad("textured", 0.5)], False, "OPAQUE")
    with pytest.raises(AssertionError):
        compare(load_textured(file), [Quad("textured", 0.55)])
    with pytest.raises(AssertionError):
        compare(load_textured(file), [replace(Quad("textured", 0.5), x=0.001)])


def test_gradients_of_vertex_colours_are_straight_in_linear_light(tmp_path):
    """A quad from red to blue: halfway it is (188, 0, 188), not (128, 0, 128)."""
    writer, quad = Writer(), Quad("vertex", None)
    primitive = quad_primitive(writer, quad)
    light = np.stack(((1 - quad.corners()[:, 0]) / 2, np.zeros(16), (1 + quad.corners()[:, 0]) / 2), axis=1)
    primitive["attributes"]["COLOR_0"] = writer.accessor(light.astype("f4"))
    writer.node([primitive])
    mesh = load_textured(writer.save(tmp_path / "gradient.glb"))
    x, colour, _ = coloured_points(mesh, 2000, torch.Generator().manual_seed(0))
    t = ((x[:, 0] * mesh.placement[3] + mesh.placement[0]).numpy() + 1) / 2
    expected = 255 * srgb(np.stack((1 - t, 0 * t, t), axis=1))
    error = np.abs(255 * colour.numpy() - expected).max(1)
    assert np.quantile(error, 0.98) < 3 and error.mean() < 1
    assert linear(srgb(np.array(0.5))) == pytest.approx(0.5)
