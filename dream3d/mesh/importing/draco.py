"""KHR_draco_mesh_compression, decoded by DracoPy if it is installed."""

from importlib import import_module

import numpy as np

from dream3d.errors import UserError
from dream3d.mesh.importing.container import KINDS, Array, Container, Tree, compressed, floats


def decompressed(container: Container, draco: Tree, primitive: Tree) -> tuple[dict[str, Array], Array]:
    """A primitive's attributes as float64, and its indices."""
    try:
        decoder = import_module("DracoPy")
    except ImportError as error:
        raise UserError(
            f"{compressed(container.file, 'KHR_draco_mesh_compression')}, or pip install DracoPy"
        ) from error
    mesh = decoder.decode(container.view(draco["bufferView"]))
    attributes = {}
    for name, number in draco["attributes"].items():
        a = container.tree["accessors"][primitive["attributes"][name]]
        values = np.asarray(mesh.get_attribute_by_unique_id(number)["data"])
        stored = values.reshape(len(values), -1).astype(KINDS[a["componentType"]])
        attributes[name] = floats(stored, a.get("normalized", False))
    for name, index in primitive["attributes"].items():
        if name not in attributes and "bufferView" in container.tree["accessors"][index]:
            attributes[name] = container.numbers(index)
    return attributes, np.asarray(mesh.faces).reshape(-1)
