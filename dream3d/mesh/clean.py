"""From a raw isosurface to a production-ready mesh: no specks, closed, smooth, few faces."""

from dataclasses import dataclass, replace

import fast_simplification
import numpy as np
import torch
import trimesh
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from dream3d.geometry.normals import vertex_normals
from dream3d.geometry.self_intersections import self_intersections
from dream3d.mesh.holes import fill_holes
from dream3d.mesh.nonmanifold import balanced, parted
from dream3d.types import Mesh


@dataclass(frozen=True)
class Report:
    """Statistics of a mesh; coincident vertices count once.

    ``manifold_edges``: every edge has exactly two faces; ``watertight``: those also run through it in
    opposite directions, so that inside and outside are told apart; ``volume`` is the enclosed one;
    ``self_intersections``: pairs of triangles that run through one another.
    """

    vertices: int
    faces: int
    components: int
    euler: int
    watertight: bool
    manifold_edges: bool
    volume: float
    area: float
    self_intersections: int


def to_trimesh(mesh: Mesh) -> trimesh.Trimesh:
    """Geometry alone, with the order of vertices and faces kept."""
    return trimesh.Trimesh(mesh.vertices.double().cpu().numpy(), mesh.faces.cpu().numpy(), process=False)


def welded(mesh: Mesh) -> Mesh:
    """The mesh with exactly coincident vertices merged; texture and uv are dropped."""
    vertices, inverse = torch.unique(mesh.vertices, dim=0, return_inverse=True)
    first = torch.empty(len(vertices), dtype=torch.int64)
    first[inverse.flip(0)] = torch.arange(len(inverse)).flip(0)
    colours = None if mesh.colours is None else mesh.colours[first]
    normals = None if mesh.normals is None else mesh.normals[first]
    return Mesh(vertices, inverse[mesh.faces], colours, normals)


def inspect(mesh: Mesh) -> Report:
    """Counts and properties of the welded mesh."""
    joined = welded(mesh)
    shape = to_trimesh(joined)
    _, uses = np.unique(shape.edges_sorted, axis=0, return_counts=True)
    used = len(np.unique(shape.faces))
    return Report(
        vertices=used,
        faces=len(shape.faces),
        components=len(component_volumes(joined)[1]),
        euler=used - len(uses) + len(shape.faces),
        watertight=bool(shape.is_watertight and shape.is_winding_consistent),
        manifold_edges=bool((uses == 2).all()),
        volume=float(shape.volume),
        area=float(shape.area),
        self_intersections=self_intersections(joined),
    )


def component_volumes(mesh: Mesh) -> tuple[Int[Tensor, " f"], Float[Tensor, " k"]]:
    """Which connected component a face is in, and the volume each encloses (negative: inside out)."""
    faces = mesh.faces.numpy()
    ends = np.concatenate((faces[:, [0, 1]], faces[:, [1, 2]]))
    n = len(mesh.vertices)
    graph = coo_matrix((np.ones(len(ends), dtype=bool), (ends[:, 0], ends[:, 1])), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    _, component = np.unique(label[faces[:, 0]], return_inverse=True)
    a, b, c = mesh.vertices.double()[mesh.faces].unbind(1)
    signed = (a * torch.linalg.cross(b, c)).sum(-1) / 6
    owner = torch.from_numpy(component).long()
    return owner, torch.zeros(int(owner.max()) + 1, dtype=torch.float64).index_add_(0, owner, signed).float()


def keep_large(mesh: Mesh, *, share: float) -> Mesh:
    """Drop components of less than ``share`` of the largest one's volume (1: keep only the largest).

    Raises:
        ValueError: a share outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"mesh.share: got {share}, expected a fraction of the largest component's volume in [0, 1]")
    owner, volume = component_volumes(mesh)
    keep = volume >= share * volume.max()
    return _compact(mesh.vertices, mesh.faces[keep[owner]])


def _compact(vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "f 3"]) -> Mesh:
    """Drop unreferenced vertices."""
    used, inverse = torch.unique(faces, return_inverse=True)
    return Mesh(vertices[used], inverse)


def smooth(mesh: Mesh, *, iterations: int) -> Mesh:
    """Taubin smoothing (SIGGRAPH 1995): steps of 0.5 and -0.53 take turns, so that nothing shrinks."""
    if iterations == 0:
        return mesh
    shape = to_trimesh(mesh)
    trimesh.smoothing.filter_taubin(shape, lamb=0.5, nu=0.53, iterations=2 * iterations)
    return replace(mesh, vertices=torch.tensor(shape.vertices, dtype=torch.float32))


def decimate(mesh: Mesh, *, faces: int) -> Mesh:
    """At most about ``faces`` triangles, by quadric edge collapse (Garland and Heckbert 1997)."""
    if faces < 4:
        raise ValueError(f"mesh.faces: got {faces}, expected at least 4")
    if len(mesh.faces) <= faces:
        return mesh
    return close(Mesh(*collapsed(mesh, faces)))


def collapsed(mesh: Mesh, faces: int) -> tuple[Float[Tensor, "v 3"], Int[Tensor, "f 3"]]:
    """Vertices and triangles after edge collapse, of a mesh without duplicate vertices."""
    left = fast_simplification.simplify(mesh.vertices.numpy(), mesh.faces.int().numpy(), target_count=faces)
    return torch.tensor(left[0], dtype=torch.float32), torch.tensor(left[1], dtype=torch.int64)


def single(faces: Int[Tensor, "f 3"]) -> Int[Tensor, "k 3"]:
    """Proper triangles, no two with the same corners: equal ones that face each other enclose nothing and
    go in pairs; of what is left over one stays."""
    proper = (faces != faces.roll(1, 1)).all(1)
    turned = faces[proper]
    at = turned.argmin(1, keepdim=True)
    turned = turned.gather(1, (at + torch.arange(3)) % 3)  # the smallest corner first
    sign = torch.where(turned[:, 1] < turned[:, 2], 1, -1)
    distinct, which = torch.unique(turned.sort(1).values, dim=0, return_inverse=True)
    net = torch.zeros(len(distinct), dtype=torch.int64).index_add_(0, which, sign)
    kept = (sign == net.sign()[which]).nonzero().squeeze(1)
    first = torch.full_like(net, len(turned)).scatter_reduce_(0, which[kept], kept, "amin")
    return turned[first[net != 0].sort().values]


def close(mesh: Mesh) -> Mesh:
    """Drop degenerate and duplicate faces, fill holes, repair non-manifold edges, orient outwards: watertight."""
    closed = parted(fill_holes(balanced(Mesh(mesh.vertices, single(mesh.faces)))))
    outwards = closed.faces if to_trimesh(closed).volume >= 0 else closed.faces.flip(1)
    return _compact(closed.vertices, outwards)


def large(mesh: Mesh, *, share: float, smoothing: int) -> Mesh:
    """Large components only, smoothed, with smooth normals, at full resolution."""
    whole = smooth(keep_large(mesh, share=share), iterations=smoothing)
    return replace(whole, normals=vertex_normals(whole.vertices, whole.faces))


def reduced(mesh: Mesh, *, faces: int) -> Mesh:
    """Decimated and closed, with smooth normals."""
    small = decimate(mesh, faces=faces)
    return replace(small, normals=vertex_normals(small.vertices, small.faces))


def clean(mesh: Mesh, *, share: float, smoothing: int, faces: int) -> Mesh:
    """Large components only, smoothed, decimated, closed, with smooth normals."""
    return reduced(large(mesh, share=share, smoothing=smoothing), faces=faces)


def simplified(mesh: Mesh, *, faces: int) -> Mesh:
    """As ``reduced``, of a mesh that may be open and stays so: vertices on seams are joined, holes are not filled.
    Its uv are lost; it keeps its ``placement``."""
    joined = welded(mesh)
    vertices, triangles = collapsed(joined, faces) if len(joined.faces) > faces else (joined.vertices, joined.faces)
    small = _compact(vertices, single(triangles))
    return replace(small, normals=vertex_normals(small.vertices, small.faces), placement=mesh.placement)
