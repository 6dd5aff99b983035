"""Reads glTF 2.0 as parts: nodes, primitives, instances, default morph weights and the pose of skins."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from dream3d.errors import UserError
from dream3d.mesh.importing.container import Container, Tree
from dream3d.mesh.importing.draco import decompressed
from dream3d.mesh.importing.materials import Materials
from dream3d.mesh.importing.scene import Array, Part

FANS = {4: "triangles", 5: "strip", 6: "fan"}


def read_gltf(file: Path) -> Iterator[Part]:
    """The parts of a .gltf or .glb file, in its world space.

    Raises:
        UserError: a version or an extension that is not understood, or data that is cut off.
    """
    container = Container(file)
    materials = Materials(container)
    found = list(placed(container))
    places = dict(found)
    for number, matrix in found:
        node = container.all("nodes")[number]
        if "mesh" in node:
            yield from node_parts(container, materials, node, matrix, places)
    if not container.all("nodes"):  # a library of meshes
        for index in range(len(container.all("meshes"))):
            yield from node_parts(container, materials, {"mesh": index}, np.eye(4), {})


def placed(container: Container) -> Iterator[tuple[int, Array]]:
    """Every node of the scene with its global transform (section 3.5.2); a node with two parents is visited twice.

    Raises:
        UserError: a node that is its own ancestor.
    """
    nodes, scenes = container.all("nodes"), container.all("scenes")
    children = {child for node in nodes for child in node.get("children", [])}
    roots = [i for i in range(len(nodes)) if i not in children]
    if scenes:
        roots = scenes[container.tree.get("scene", 0)].get("nodes", [])
    waiting: list[tuple[tuple[int, ...], Array]] = [((root,), np.eye(4)) for root in reversed(roots)]
    while waiting:
        path, above = waiting.pop()
        number = path[-1]
        if number in path[:-1]:
            raise UserError(f"{container.file}: got node {number} below itself, expected a tree; export it again")
        matrix = above @ local(nodes[number])
        yield number, matrix
        waiting += [((*path, child), matrix) for child in reversed(nodes[number].get("children", []))]


def local(node: Tree) -> Array:
    """A node's own transform: its matrix, or translation x rotation x scale."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    rotation = node.get("rotation", (0, 0, 0, 1))
    return composed(
        np.array(node.get("translation", (0, 0, 0))), np.array(rotation), np.array(node.get("scale", (1, 1, 1)))
    )


def composed(translation: Array, rotation: Array, scale: Array) -> Array:
    """``4 4`` of a translation, a quaternion (x, y, z, w) and a scale."""
    x, y, z, w = rotation / max(float(np.linalg.norm(rotation)), 1e-12)
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] *= scale
    matrix[:3, 3] = translation
    return matrix


def node_parts(
    container: Container, materials: Materials, node: Tree, matrix: Array, places: dict[int, Array]
) -> Iterator[Part]:
    """The parts of a node's mesh, once per instance."""
    mesh = container.tree["meshes"][node["mesh"]]
    weights = node.get("weights", mesh.get("weights", []))
    for primitive in mesh["primitives"]:
        if primitive.get("mode", 4) not in FANS or "POSITION" not in primitive["attributes"]:
            continue
        part, attributes = primitive_part(container, materials, primitive)
        vertices = part.vertices
        for weight, target in zip(weights, primitive.get("targets", []), strict=False):
            if weight and "POSITION" in target:
                vertices = vertices + weight * container.numbers(target["POSITION"])
        if "skin" in node and "JOINTS_0" in attributes:
            vertices = posed(container, container.tree["skins"][node["skin"]], attributes, vertices, places)
            yield moved(part, vertices, np.eye(4))
        else:
            for instance in instances(container, node):
                yield moved(part, vertices, matrix @ instance)


def moved(part: Part, vertices: Array, matrix: Array) -> Part:
    """The part with its vertices transformed; a mirroring transform flips the triangles."""
    faces = part.faces[:, ::-1] if np.linalg.det(matrix[:3, :3]) < 0 else part.faces
    return replace(part, vertices=vertices @ matrix[:3, :3].T + matrix[:3, 3], faces=faces)


def instances(container: Container, node: Tree) -> list[Array]:
    """The transforms of EXT_mesh_gpu_instancing; the identity alone without it."""
    instancing = node.get("extensions", {}).get("EXT_mesh_gpu_instancing")
    if instancing is None:
        return [np.eye(4)]
    given = {name: container.numbers(index) for name, index in instancing["attributes"].items()}
    count = max((len(v) for v in given.values()), default=0)
    default = {"TRANSLATION": (0, 0, 0), "ROTATION": (0, 0, 0, 1), "SCALE": (1, 1, 1)}
    full = [given.get(name, np.tile(np.array(value, float), (count, 1))) for name, value in default.items()]
    return [composed(t, r, s) for t, r, s in zip(*full, strict=True)]


def posed(
    container: Container, skin: Tree, attributes: dict[str, Array], vertices: Array, places: dict[int, Array]
) -> Array:
    """Linear blend skinning in the pose of the nodes (section 3.7.3.1)."""
    joints = np.stack([places.get(joint, np.eye(4)) for joint in skin["joints"]])
    if "inverseBindMatrices" in skin:
        bind = container.numbers(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        joints = joints @ bind[: len(joints)]
    result, total = np.zeros_like(vertices), np.zeros((len(vertices), 1))
    for s in (name.removeprefix("JOINTS_") for name in attributes if name.startswith("JOINTS_")):
        which, share = attributes[f"JOINTS_{s}"].astype(np.int64), attributes[f"WEIGHTS_{s}"]
        for k in range(which.shape[1]):
            m = joints[which[:, k]]
            result += share[:, k : k + 1] * ((m[:, :3, :3] @ vertices[..., None])[..., 0] + m[:, :3, 3])
            total += share[:, k : k + 1]
    return np.where(total > 1e-6, result / np.maximum(total, 1e-6), vertices)


def primitive_part(container: Container, materials: Materials, primitive: Tree) -> tuple[Part, dict[str, Array]]:
    """A primitive in its own space, and all of its attributes as float64."""
    draco = primitive.get("extensions", {}).get("KHR_draco_mesh_compression")
    if draco is not None:
        attributes, index = decompressed(container, draco, primitive)
    else:
        attributes = {name: container.numbers(number) for name, number in primitive["attributes"].items()}
        count = len(attributes["POSITION"])
        index = container.accessor(primitive["indices"])[:, 0] if "indices" in primitive else np.arange(count)
    mode = 4 if draco is not None and primitive.get("mode") != 5 else primitive.get("mode", 4)
    paint = materials.paint(primitive.get("material"))
    uv = attributes.get(f"TEXCOORD_{paint.channel}")
    if uv is not None and paint.picture is not None and paint.transform is not None:
        uv = uv @ paint.transform[:, :2].T + paint.transform[:, 2]
    if uv is not None:
        uv = np.column_stack((uv[:, 0], 1 - uv[:, 1]))
    return Part(
        attributes["POSITION"],
        triangles(index.astype(np.int64), mode),
        uv=uv,
        colours=attributes.get("COLOR_0"),
        light=True,
        factor=paint.factor,
        picture=paint.picture,
        cutoff=paint.cutoff,
    ), attributes


def triangles(index: Array, mode: int) -> Array:
    """Faces of a list, strip or fan of triangles (section 3.7.2.1).

    >>> triangles(np.arange(4), 5).tolist(), triangles(np.arange(4), 6).tolist()
    ([[0, 1, 2], [1, 3, 2]], [[1, 2, 0], [2, 3, 0]])
    """
    if mode == 4:
        return index[: len(index) // 3 * 3].reshape(-1, 3)
    i = np.arange(max(len(index) - 2, 0))
    if mode == 6:
        return np.stack((index[i + 1], index[i + 2], index[np.zeros_like(i)]), axis=1)
    return np.stack((index[i], index[i + 1 + i % 2], index[i + 2 - i % 2]), axis=1)
