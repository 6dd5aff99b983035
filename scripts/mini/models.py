"""What a prior is made from: named models, and the nouns that mean them. Read from a folder of mesh files."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import fast_simplification
import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from dream3d.errors import UserError
from dream3d.mesh.reading import load_folder, load_textured
from dream3d.priors.mini.pipeline import word_tokenizer
from dream3d.render.reference import texture_at
from dream3d.types import Mesh

MOST_FACES = 30_000  # what views at 128 pixels can show
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Model:
    """A mesh in the unit ball, +y up, front +z; sRGB colours in [0, 1] at its vertices.

    A vertex with ``tint`` shows a named colour times its own luma over the median of such vertices. ``colour`` and
    ``style`` are words for the model as it is, None where nobody said.
    """

    name: str
    vertices: Float[np.ndarray, "v 3"]
    colours: Float[np.ndarray, "v 3"]
    tint: Int[np.ndarray, " v"]
    faces: Int[np.ndarray, "f 3"]
    takes_colour: bool = True
    colour: str | None = None
    style: str | None = None

    @cached_property
    def ratio(self) -> Float[np.ndarray, " v"]:
        """What a named colour is multiplied with at a vertex, in [0.06, 2]; -1 where the vertex keeps its own."""
        tinted, luma = self.tint > 0, self.colours @ LUMA
        if not tinted.any():
            return np.full(len(luma), -1, np.float32)
        median = max(0.02, float(np.median(luma[tinted])))
        return np.where(tinted, np.clip(luma / median, 0.06, 2), -1).astype(np.float32)

    @cached_property
    def key(self) -> str:
        """A file name for what is computed from the model: another one if the model changes."""
        digest = hashlib.sha1(self.name.encode())
        for array in (self.vertices, self.colours, self.ratio, self.faces):
            digest.update(np.ascontiguousarray(array).tobytes())
        return f"{re.sub(r'[^A-Za-z0-9-]+', '_', self.name)[:40]}-{digest.hexdigest()[:12]}"


@dataclass(frozen=True)
class Concept:
    """Other names of a noun and its models' names, the most typical first: that is the one a prompt gets."""

    aliases: tuple[str, ...]
    models: tuple[str, ...]


@dataclass(frozen=True)
class Library:
    """Models and concepts, both by name."""

    models: dict[str, Model]
    concepts: dict[str, Concept]

    def first(self, limit: int | None) -> "Library":
        """With the first ``limit`` concepts alone: a rehearsal."""
        concepts = dict(list(self.concepts.items())[:limit])
        kept = {name for concept in concepts.values() for name in concept.models}
        return Library({name: model for name, model in self.models.items() if name in kept}, concepts)

    @property
    def typical(self) -> list[Model]:
        """Each concept's most typical model, once."""
        return [self.models[name] for name in dict.fromkeys(c.models[0] for c in self.concepts.values())]


def noun_of(file: Path, folder: Path) -> str:
    """The concept of a mesh file: its subfolder's name, else its own without number, in the prior's alphabet.

    >>> noun_of(Path("m/Office_Chair-02.glb"), Path("m")), noun_of(Path("m/corgi/scene.gltf"), Path("m"))
    ('office chair', 'corgi')
    """
    place = file.relative_to(folder)
    name = place.parts[0] if len(place.parts) > 1 else place.stem
    name = re.sub(r"[\s_.-]*\d+$", "", re.sub(r"(?<=[a-z])(?=[A-Z])|[\s_.-]+", " ", name))
    normalizer = word_tokenizer([]).backend_tokenizer.normalizer
    assert normalizer is not None
    return " ".join(normalizer.normalize_str(name).split())


def read_folder(folder: Path, recolour: bool = True) -> Library:
    """A folder's mesh files; a bad one is named in a warning and left out.

    Args:
        folder: one concept a subfolder or file name ("chair.glb", "chair-2.glb"); the first in the order of names is
            the most typical.
        recolour: all of a model takes a colour that the prompt names; else it keeps its own.

    Raises:
        UserError: there is no readable file, or none whose name has a letter from a to z.
    """
    models, nouns = {}, {}
    for file, mesh in load_folder(folder, vertex_coloured).items():
        name, noun = str(file.relative_to(folder)), noun_of(file, folder)
        if noun:
            models[name] = model_of(name, mesh, recolour)
            nouns.setdefault(noun, []).append(name)
    if not models:
        raise UserError(f"{folder}: got names without letters from a to z, expected nouns; rename the files")
    return Library(models, {noun: Concept((), tuple(names)) for noun, names in nouns.items()})


def model_of(name: str, mesh: Mesh, recolour: bool = True) -> Model:
    """A model of a mesh with colours at its vertices."""
    assert mesh.colours is not None
    tint = np.full(len(mesh.vertices), recolour, np.uint8)
    arrays = mesh.vertices.numpy(), mesh.colours.numpy(), tint, mesh.faces.int().numpy()
    return Model(name, *arrays, takes_colour=recolour)


def vertex_coloured(file: Path) -> Mesh:
    """A file's mesh with its texture read at the vertices of triangles small enough for it, and no more than needed."""
    mesh = load_textured(file)
    if mesh.texture is not None and mesh.uv is not None:
        while 4 * len(mesh.faces) <= MOST_FACES:
            mesh = halved(mesh)
        assert mesh.texture is not None and mesh.uv is not None
        mesh = replace(mesh, colours=texture_at(mesh.texture, mesh.uv), uv=None, texture=None)
    return mesh if len(mesh.faces) <= MOST_FACES else decimated(mesh, MOST_FACES)


def halved(mesh: Mesh) -> Mesh:
    """Every triangle cut into four at the middles of its edges; positions and uv are interpolated."""
    assert mesh.uv is not None
    ends = mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    edges, which = torch.unique(ends.sort(1).values, dim=0, return_inverse=True)
    ab, bc, ca = (len(mesh.vertices) + which.view(-1, 3)).unbind(1)
    a, b, c = mesh.faces.unbind(1)
    corners: Sequence[Sequence[torch.Tensor]] = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    vertices, uv = (torch.cat((value, value[edges].mean(1))) for value in (mesh.vertices, mesh.uv))
    faces = torch.cat([torch.stack(tuple(t), 1) for t in corners])
    return replace(mesh, vertices=vertices, uv=uv, faces=faces, colours=None, normals=None)


def decimated(mesh: Mesh, faces: int) -> Mesh:
    """Fewer triangles (quadric errors), each vertex with the colour of the nearest one before."""
    assert mesh.colours is not None
    vertices, triangles = fast_simplification.simplify(
        mesh.vertices.numpy(), mesh.faces.int().numpy(), target_count=faces
    )
    _, nearest = cKDTree(mesh.vertices.numpy()).query(vertices)
    colours = mesh.colours[torch.from_numpy(nearest)]
    return Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(triangles).long(), colours)
