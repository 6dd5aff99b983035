"""Several parts in one mesh: the uv that they have, the atlas, and colours that cannot be shown otherwise."""

from dataclasses import replace

import numpy as np
import pytest
from gltf_cases import SQUARE, Quad, Writer, picture, quad_primitive, write_gltf
from test_importing_cases import compare

from dream3d.mesh.importing import atlas as room
from dream3d.mesh.importing.atlas import painted
from dream3d.mesh.importing.scene import Part, TextureImage
from dream3d.mesh.importing.tiles import contrast, flat, layout
from dream3d.mesh.reading import load_textured

FACES = np.array([[0, 1, 2], [0, 2, 3]])
CORNERS = np.array([(x, y, 0.0) for x, y in SQUARE])
UV = np.array(SQUARE, float)
PICTURE = TextureImage(np.dstack((picture(), np.full((16, 16), 255, np.uint8))))


def part(low=(0.0, 0.0), size=1.0, **more):
    """A square whose uv are a square as well."""
    return Part(CORNERS, FACES, uv=np.array(low) + size * UV, **more)


def test_one_texture_and_its_uv_stay_as_they_are():
    made = painted([part(size=0.5, picture=PICTURE)])
    np.testing.assert_array_equal(made.uv[0], 0.5 * UV)
    np.testing.assert_allclose(made.texture * 255, picture(), atol=1e-4)


def test_parts_of_one_picture_share_it():
    made = painted([part(size=0.5, picture=PICTURE), part((0.5, 0.5), 0.5, picture=PICTURE)])
    assert made.texture.shape == (16, 16, 3)
    np.testing.assert_array_equal(made.uv[1], 0.5 + 0.5 * UV)


def test_uv_without_a_texture_are_kept():
    both = [part(size=0.5), part((0.5, 0.5), 0.5)]
    made = painted(both)
    assert made.texture is None
    np.testing.assert_array_equal(made.uv, [both[0].uv, both[1].uv])


def test_layouts_that_lie_over_one_another_are_put_side_by_side():
    made = painted([part(), part()])
    assert made.texture is None and layout([replace(p, uv=uv) for p, uv in zip(made.parts, made.uv, strict=True)])


def test_without_any_good_uv_there_are_none():
    assert painted([Part(CORNERS, FACES), Part(CORNERS, FACES, uv=0 * UV)]).uv is None


def test_a_layout_is_one_place_for_each():
    assert layout([part()]) and not layout([part(), part()])
    assert not layout([part((0.5, 0.0))]) and not layout([Part(CORNERS, FACES, uv=0 * UV)])


def test_a_plain_part_with_uv_keeps_them_beside_a_texture(tmp_path):
    quads = [Quad("textured", None), Quad("plain", 0.5, x=4)]
    writer = Writer()
    primitives = [quad_primitive(writer, quad) for quad in quads]
    primitives[1]["attributes"]["TEXCOORD_0"] = writer.accessor(quads[1].uv().astype("f4"))
    writer.node(primitives)
    mesh = load_textured(writer.save(tmp_path / "case.glb"))
    compare(mesh, quads)
    own = mesh.uv[16:].numpy()
    low, high = own.min(0), own.max(0)
    expected = quads[1].uv() * [1, -1] + [0, 1]
    expected = (expected - expected.min(0)) / np.ptp(expected, axis=0)
    np.testing.assert_allclose((own - low) / (high - low), expected, atol=1e-4)


def test_vertex_colours_times_a_texture_are_baked():
    colours = np.array([(0.2, 0.4, 0.6)] * 2 + [(0.6, 0.4, 0.2)] * 2)
    made = painted([part(picture=PICTURE, colours=colours, light=True)])
    assert made.texture.shape == (1024, 1024, 3)
    share = np.array([[0.5, 0.25, 0.25]])
    expected = made.parts[0].rgba(FACES[:1], share)
    u, v = (made.uv[0][FACES[0]] * share.T).sum(0)
    got = made.texture[int((1 - v) * 1024), int(u * 1024)]
    light = ((got + 0.055) / 1.055) ** 2.4
    np.testing.assert_allclose(light, expected[0, :3], atol=5e-3)


def test_one_colour_a_face_takes_a_palette(tmp_path):
    quads = [Quad("vertex", None), Quad("textured", 1.0, x=4)]
    mesh = load_textured(write_gltf(tmp_path / "case.glb", quads, False, "OPAQUE"))
    assert max(mesh.texture.shape) < 64
    compare(mesh, quads)


def test_colours_that_vertices_show_well_need_no_texture():
    near = np.array([(0.5, 0.5, 0.5)] * 2 + [(0.52, 0.5, 0.5)] * 2)
    assert (
        contrast(part(colours=near, light=True))
        < 1e-3
        < contrast(part(colours=UV @ [[1, 0, 1], [0, 1, 0]], light=True))
    )
    assert not flat(part(colours=near)) and flat(part(colours=near[[0, 0, 0, 0]]))
    assert painted([part(colours=near, light=True)]).texture is None


def test_too_many_texels_are_made_fewer(monkeypatch, caplog):
    monkeypatch.setattr(room, "MOST_TEXELS", 64)
    made = painted([part(picture=PICTURE)])
    assert made.texture.shape == (8, 8, 3) and "smaller" in caplog.text


def test_texels_with_sharp_edges_stay_sharp():
    made = painted([part(picture=replace(PICTURE, nearest=True))])
    assert made.texture.shape == (256, 256, 3)


@pytest.mark.parametrize("mode", ["repeat", "mirror"])
def test_pictures_go_on_beyond_their_borders(mode):
    from dream3d.mesh.importing.scene import wrapped

    whole = np.pad(np.arange(5), 12, mode={"repeat": "wrap", "mirror": "symmetric"}[mode])
    np.testing.assert_array_equal(wrapped(np.arange(-12, 17), 5, mode), whole)
