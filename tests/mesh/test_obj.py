"""What an OBJ file may say in many ways."""

import numpy as np
import pytest
import torch
from gltf_cases import SQUARE, Quad, write_obj
from PIL import Image
from test_importing_cases import at_bounds, compare

from dream3d.errors import UserError
from dream3d.mesh.importing.polygons import area, cut
from dream3d.mesh.reading import load_mesh, load_textured

TETRAHEDRON = "v {0} 0 0\nv {1} 0 0\nv {0} 1 0\nv {0} 0 1\nf -4 -2 -3\nf -4 -3 -1\nf -4 -1 -2\nf -3 -2 -1\n"


def test_relative_indices_count_from_where_they_are(tmp_path):
    (tmp_path / "two.obj").write_text(TETRAHEDRON.format(0, 1) + TETRAHEDRON.format(3, 4))
    mesh = load_mesh(tmp_path / "two.obj")
    np.testing.assert_allclose(at_bounds(mesh), [[0, 0, 0], [4, 1, 1]], atol=1e-6)
    assert len(mesh.faces) == 8 and len(mesh.vertices) == 8


def test_several_libraries_and_continued_lines(tmp_path):
    (tmp_path / "a b.mtl").write_text("newmtl red one\nKd 1 0 0\n")
    (tmp_path / "c.mtl").write_text("newmtl blue\n\tKd 0 0 1 # deep\n")
    text = "mtllib a b.mtl\nmtllib c.mtl gone.mtl\nv 0 0 0\nv 1 \\\n0 0\nv 1 1 0\nv 0 1 0\n"
    (tmp_path / "two.obj").write_text(text + "usemtl red one\nf 1 2 3\nusemtl blue\nf 1 3 4\n")
    mesh = load_mesh(tmp_path / "two.obj")
    found = {tuple(mesh.colours[face].mean(0).round(decimals=3).tolist()) for face in mesh.faces}
    assert found == {(1, 0, 0), (0, 0, 1)}


def test_what_is_missing_is_named_and_leaves_plain_colours(tmp_path, caplog):
    file = write_obj(tmp_path / "case.obj", [Quad("textured", 0.5)])
    (tmp_path / "texels.png").unlink()
    compare(load_textured(file), [Quad("plain", 0.5)])
    assert "texels.png" in caplog.text
    (tmp_path / "colours.mtl").unlink()
    compare(load_textured(file), [Quad("nothing", None)])
    assert "colours.mtl" in caplog.text


def test_a_texture_under_a_black_kd_is_seen(tmp_path):
    file = write_obj(tmp_path / "case.obj", [Quad("textured", None)])
    (tmp_path / "colours.mtl").write_text("newmtl m0\nKd 0 0 0\nmap_Kd -bm 1 texels.png\n")
    compare(load_textured(file), [Quad("textured", None)])


def test_options_of_a_map(tmp_path):
    """-o moves and -s scales: here by one repetition and back to the size that was."""
    file = write_obj(tmp_path / "case.obj", [Quad("textured", None)])
    (tmp_path / "colours.mtl").write_text("newmtl m0\nmap_Kd -s 0.5 0.5 -o 1 -2 0 a file.png\n")
    Image.open(tmp_path / "texels.png").save(tmp_path / "a file.png")
    twice = "\n".join(doubled(line) for line in file.read_text().splitlines())
    file.write_text(twice)
    compare(load_textured(file), [Quad("textured", None)])


def doubled(line):
    words = line.split()
    return line if words[0] != "vt" else f"vt {2 * float(words[1])} {2 * float(words[2])}"


def test_colours_in_bytes_and_another_encoding(tmp_path):
    text = "\n".join(f"v {x} {y} 0 255 0 51" for x, y in SQUARE) + "\nf 1 2 3 4\n"
    (tmp_path / "bytes.obj").write_text(text, encoding="utf-16")
    mesh = load_mesh(tmp_path / "bytes.obj")
    torch.testing.assert_close(mesh.colours, torch.tensor([[1.0, 0.0, 0.2]]).expand(4, 3))


ARROW = [(0, 0), (2, 1), (4, 0), (2, 4)]  # the corner at (2, 1) is bent inwards
COMB = [(0, 0), (5, 0), (5, 4), (4, 4), (4, 1), (3, 1), (3, 4), (2, 4), (2, 1), (1, 1), (1, 4), (0, 4)]


@pytest.mark.parametrize("outline", [ARROW, ARROW[2:] + ARROW[:2], ARROW[::-1], COMB, COMB[::-1]])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_bent_polygons_are_covered_once(outline, axis):
    points = np.insert(np.array(outline, float), axis, 0, axis=1)
    corners, faces = cut([[(i, -1) for i in range(len(points))]], points)
    flat = np.array(outline, float)[corners[faces, 0]]
    areas = np.array([area(*triangle) for triangle in flat])
    whole = sum(a[0] * b[1] - a[1] * b[0] for a, b in zip(outline, outline[1:] + outline[:1], strict=True))
    assert (np.sign(areas) == np.sign(whole)).all() and areas.sum() == pytest.approx(whole)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("v 0 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 9\n", "vertex 9 of 3"),
        ("v 0 0 0\nf 1 -5 1\n", "'f 1 -5 1' in line 2"),
        ("v 0 zero 0\n", "'v 0 zero 0' in line 1"),
        ("v 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 3\n", "fewer than 3"),
        ("v 0 0 0\nv nan 0 0\nv 1 1 inf\nf 1 2 3\n", "got 2 vertices that are NaN or infinite"),
    ],
)
def test_bad_lines_are_one_line(text, expected, tmp_path):
    (tmp_path / "bad.obj").write_text(text)
    with pytest.raises(UserError, match=expected) as caught:
        load_mesh(tmp_path / "bad.obj")
    assert "\n" not in str(caught.value) and "bad.obj" in str(caught.value)


def test_uv_that_are_not_there_are_left_out(tmp_path):
    (tmp_path / "some.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nvt 0 0\nf 1/1 2/7 3\n")
    assert load_textured(tmp_path / "some.obj").uv is None
