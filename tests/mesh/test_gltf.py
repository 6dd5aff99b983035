"""What a glTF file may say in many ways: primitives, accessors, nodes, textures, extensions."""

import json

import numpy as np
import pytest
import torch
from gltf_cases import Quad, Writer, picture, quad_primitive
from test_importing_cases import at_bounds, compare, samples

from dream3d.errors import UserError
from dream3d.mesh.reading import load_mesh, load_textured

TEXTURED = Quad("textured", None)


def saved(tmp_path, *primitives, writer, **place):
    writer.node(list(primitives), **place)
    return writer.save(tmp_path / "case.glb")


def primitive_of(writer, points, **more):
    return {"attributes": {"POSITION": writer.accessor(np.array(points, "f4"))}, **more}


STRIP = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 2, 0)]
FAN = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (-1, 1, 0)]


@pytest.mark.parametrize("points, mode", [(STRIP, 5), (FAN, 6)], ids=["strip", "fan"])
@pytest.mark.parametrize("indexed", [False, True])
def test_strips_and_fans_face_one_way(points, mode, indexed, tmp_path):
    writer = Writer()
    more = {"indices": writer.accessor(np.arange(5, dtype="u1"))} if indexed else {}
    mesh = load_mesh(saved(tmp_path, primitive_of(writer, points, mode=mode, **more), writer=writer))
    a, b, c = mesh.vertices[mesh.faces].unbind(1)
    assert len(mesh.faces) == 3 and (torch.linalg.cross(b - a, c - a)[:, 2] > 0).all()


def test_points_and_lines_beside_triangles_are_left_out(tmp_path):
    writer = Writer()
    lines = [primitive_of(writer, [(9, 9, 9), (8, 8, 8)], mode=mode) for mode in (0, 1)]
    assert len(load_mesh(saved(tmp_path, *lines, primitive_of(writer, FAN[:3]), writer=writer)).faces) == 1


def test_a_mirrored_node_is_turned_over(tmp_path):
    writer = Writer()
    mesh = load_mesh(saved(tmp_path, primitive_of(writer, FAN[:3]), writer=writer, scale=[-1, 1, 1]))
    a, b, c = mesh.vertices[mesh.faces].unbind(1)
    assert (torch.linalg.cross(b - a, c - a)[:, 2] > 0).all()
    np.testing.assert_allclose(at_bounds(mesh), [[-1, 0, 0], [0, 1, 0]], atol=1e-6)


def test_nodes_are_placed_by_their_parents(tmp_path):
    """A quarter turn about z, twice as large, moved; below it a matrix that moves by (1, 0, 0)."""
    writer = Writer()
    writer.node([primitive_of(writer, FAN[:3])], matrix=[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1])
    half = 0.5**0.5
    parent = {"children": [0], "rotation": [0, 0, half, half], "scale": [2, 2, 2], "translation": [10, 0, 0]}
    writer.tree["scenes"][0]["nodes"] = [writer.append("nodes", parent)]
    mesh = load_mesh(writer.save(tmp_path / "case.gltf"))
    np.testing.assert_allclose(at_bounds(mesh), [[8, 2, 0], [10, 4, 0]], atol=1e-5)


def test_sparse_and_quantized_positions(tmp_path):
    writer = Writer()
    values = np.array([(0, 0, 0), (32767, 0, 0), (0, 32767, 0)], "i2")
    index = writer.accessor(np.pad(values, ((0, 0), (0, 1))), normalized=True)
    writer.tree["accessors"][index] |= {"type": "VEC3"}
    writer.tree["bufferViews"][-1]["byteStride"] = 8
    where, new = writer.view(np.array([1], "u1").tobytes()), writer.view(np.array([(0, 0, 32767)], "<i2").tobytes())
    sparse = {"count": 1, "indices": {"bufferView": where, "componentType": 5121}, "values": {"bufferView": new}}
    writer.tree["accessors"][index]["sparse"] = sparse
    mesh = load_mesh(saved(tmp_path, {"attributes": {"POSITION": index}}, writer=writer))
    np.testing.assert_allclose(at_bounds(mesh), [[0, 0, 0], [0, 1, 1]], atol=1e-6)


def test_morph_weights_and_skins_place_the_vertices(tmp_path):
    writer = Writer()
    primitive = primitive_of(writer, FAN[:3], targets=[{"POSITION": writer.accessor(np.full((3, 3), 2, "f4"))}])
    primitive["attributes"]["JOINTS_0"] = writer.accessor(np.zeros((3, 4), "u1"))
    primitive["attributes"]["WEIGHTS_0"] = writer.accessor(np.tile(np.array([1, 0, 0, 0], "f4"), (3, 1)))
    joint = writer.append("nodes", {"translation": [0, 5, 0]})
    writer.tree["scenes"][0]["nodes"].append(joint)
    writer.append("skins", {"joints": [joint]})
    file = saved(tmp_path, primitive, writer=writer, skin=0, weights=[0.5], translation=[99, 0, 0])
    np.testing.assert_allclose(at_bounds(load_mesh(file)), [[1, 6, 1], [2, 7, 1]], atol=1e-5)


def moved_uv(quad, offset, rotation, scale):
    """uv that KHR_texture_transform brings back to the quad's."""
    c, s = np.cos(rotation), np.sin(rotation)
    matrix = np.array([[c, s], [-s, c]]) * scale
    return (quad.uv() - offset) @ np.linalg.inv(matrix).T


def test_texture_transform_and_a_second_set_of_uv(tmp_path):
    writer = Writer()
    primitive = quad_primitive(writer, TEXTURED)
    uv = moved_uv(TEXTURED, (0.3, -0.2), 0.7, (2.0, 0.5))
    primitive["attributes"]["TEXCOORD_1"] = writer.accessor(uv.astype("f4"))
    given = {"offset": [0.3, -0.2], "rotation": 0.7, "scale": [2.0, 0.5], "texCoord": 1}
    base = writer.tree["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]
    base["extensions"] = {"KHR_texture_transform": given}
    writer.tree["extensionsRequired"] = ["KHR_texture_transform"]
    compare(load_textured(saved(tmp_path, primitive, writer=writer)), [TEXTURED])


WRAPS = {
    "repeat": (10497, lambda uv: np.add(uv, [3, -2])),
    "mirror": (33648, lambda uv: [2, 0] + uv * [-1, 1]),
    "mirror far": (33648, lambda uv: np.add(uv, [-2, 4])),
    "clamp": (33071, lambda uv: np.where(uv < 0.5, -0.4, 1.3)),
}


@pytest.mark.parametrize("name", WRAPS)
def test_uv_beyond_the_border(name, tmp_path):
    mode, change = WRAPS[name]
    writer = Writer()
    primitive = quad_primitive(writer, TEXTURED)
    primitive["attributes"]["TEXCOORD_0"] = writer.accessor(change(TEXTURED.uv()).astype("f4"))
    writer.tree["textures"][0]["sampler"] = writer.append("samplers", {"wrapS": mode, "wrapT": mode})
    file = saved(tmp_path, primitive, writer=writer)
    compare(load_textured(file), [TEXTURED])
    compare(load_mesh(file), [TEXTURED])


def test_a_face_across_several_repetitions_shows_them_all(tmp_path):
    writer = Writer()
    primitive = primitive_of(writer, [(0, 0, 0), (4, 0, 0), (4, 4, 0), (0, 4, 0)])
    primitive["indices"] = writer.accessor(np.array([0, 1, 2, 0, 2, 3], "u1"))
    primitive["attributes"]["TEXCOORD_0"] = writer.accessor(np.array([(0, 2), (2, 2), (2, 0), (0, 0)], "f4"))
    base = {"baseColorTexture": {"index": writer.texture(picture())}}
    primitive["material"] = writer.append("materials", {"pbrMetallicRoughness": base})
    mesh = load_textured(saved(tmp_path, primitive, writer=writer))
    assert mesh.texture.shape == (32, 32, 3)
    np.testing.assert_allclose(mesh.texture.numpy() * 255, np.tile(picture(), (2, 2, 1)), atol=0.01)


GREY = np.full((4, 4), 100 * 257, np.uint16)


@pytest.mark.parametrize(
    "pixels, kind, expected",
    [(picture(), "WEBP", None), (GREY, "PNG", 100), (np.full((4, 4), 100, np.uint8), "PNG", 100)],
    ids=["webp", "16 bits", "grey"],
)
def test_kinds_of_pictures(pixels, kind, expected, tmp_path):
    writer = Writer()
    primitive = quad_primitive(writer, TEXTURED)
    index = writer.texture(pixels, kind)
    if kind == "WEBP":
        texture = writer.tree["textures"][index]
        texture["extensions"] = {"EXT_texture_webp": {"source": texture.pop("source")}}
    writer.tree["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]["index"] = index
    mesh = load_textured(saved(tmp_path, primitive, writer=writer))
    if expected is None:
        compare(mesh, [TEXTURED])
    else:
        np.testing.assert_allclose(samples(mesh)[1], expected, atol=0.51)


def test_specular_glossiness_is_read_as_its_diffuse_colour(tmp_path):
    writer = Writer()
    primitive = quad_primitive(writer, Quad("textured", 0.5))
    material = writer.tree["materials"][0]
    base = material.pop("pbrMetallicRoughness")
    diffuse = {"diffuseFactor": base["baseColorFactor"], "diffuseTexture": base["baseColorTexture"]}
    material["extensions"] = {"KHR_materials_pbrSpecularGlossiness": diffuse}
    compare(load_textured(saved(tmp_path, primitive, writer=writer)), [Quad("textured", 0.5)])


def test_faces_that_alpha_cuts_away_are_not_there(tmp_path):
    writer, pixels = Writer(), np.dstack((picture(), np.full((16, 16), 255, np.uint8)))
    pixels[:8, :8, 3] = 100
    primitive = quad_primitive(writer, TEXTURED)
    material = writer.tree["materials"][0]
    material["pbrMetallicRoughness"]["baseColorTexture"]["index"] = writer.texture(pixels)
    file = saved(tmp_path, primitive, writer=writer)
    assert len(load_mesh(file).faces) == 8
    for cutoff, faces in ((0.3, 8), (0.5, 6)):
        material |= {"alphaMode": "MASK", "alphaCutoff": cutoff}
        assert len(load_textured(writer.save(file)).faces) == faces
    material["alphaCutoff"] = 2
    with pytest.raises(UserError, match="no triangles that alpha leaves"):
        load_mesh(writer.save(file))


def test_draco(tmp_path):
    draco = pytest.importorskip("DracoPy")
    writer = Writer()
    primitive = quad_primitive(writer, TEXTURED)
    corners, faces, uv = TEXTURED.corners(), TEXTURED.faces(), TEXTURED.uv()
    data = draco.encode(corners.astype("f4"), faces.astype("u4"), quantization_bits=16, tex_coord=uv.astype("f8"))
    decoded = draco.decode(data)
    numbers = [a["unique_id"] for a in decoded.attributes]
    kinds = [a["attribute_type"] for a in decoded.attributes]
    attributes = {"POSITION": numbers[kinds.index(0)], "TEXCOORD_0": numbers[kinds.index(3)]}
    extension = {"bufferView": writer.view(data), "attributes": attributes}
    primitive["extensions"] = {"KHR_draco_mesh_compression": extension}
    for a in writer.tree["accessors"]:
        del a["bufferView"]
    compare(load_textured(saved(tmp_path, primitive, writer=writer)), [TEXTURED])


def refused(tmp_path, change, expected):
    writer = Writer()
    primitive = quad_primitive(writer, TEXTURED)
    writer.node([primitive])
    change(writer.tree)
    with pytest.raises(UserError, match=expected) as caught:
        load_mesh(writer.save(tmp_path / "bad.gltf"))
    assert "\n" not in str(caught.value) and "bad.gltf" in str(caught.value)


BAD = {
    "meshopt": (lambda t: t.update(extensionsRequired=["EXT_meshopt_compression"]), "EXT_meshopt.*gltfpack"),
    "unknown": (lambda t: t.update(extensionsRequired=["ACME_gizmo"]), "ACME_gizmo.*without it"),
    "ktx2": (
        lambda t: t.update(textures=[{"extensions": {"KHR_texture_basisu": {"source": 0}}}]),
        "KHR_texture_basisu.*ktxdecompress",
    ),
    "version": (lambda t: t.update(asset={"version": "1.0"}), "got glTF 1.0, expected 2.0"),
    "circle": (lambda t: t["nodes"][0].update(children=[0]), "node 0 below itself"),
    "cut off": (lambda t: t["bufferViews"][0].update(byteLength=10**6), "cut off"),
    "too few": (lambda t: t["accessors"][0].update(count=10**9), "too few bytes"),
    "index": (lambda t: t["accessors"][0].update(count=3), "face with vertex 15 of 3"),
    "missing": (lambda t: t["nodes"][0].update(mesh=7), "cannot be read"),
    "wrong type": (lambda t: t.update(nodes="no"), "cannot be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_one_line(name, tmp_path):
    refused(tmp_path, *BAD[name])


def test_a_missing_buffer_and_a_missing_picture_are_named(tmp_path, caplog):
    writer = Writer()
    writer.node([quad_primitive(writer, Quad("textured", 0.5))])
    writer.tree["images"][0] = {"uri": "gone.png"}
    file = writer.save(tmp_path / "case.gltf")
    compare(load_textured(file), [Quad("plain", 0.5)])
    assert "gone.png" in caplog.text
    tree = json.loads(file.read_text())
    file.write_text(json.dumps({**tree, "buffers": [{"uri": "gone.bin", "byteLength": 8}]}))
    with pytest.raises(UserError, match=r"no file 'gone\.bin'"):
        load_mesh(file)
