"""What is where near a model: signed distances, albedo and paint at points; what a latent is fitted to.

In-the-wild models have holes, inner walls and sheets without inside. So inside is what no axis-parallel ray from
outside reaches before it meets the surface, on a grid of ``fine``^3 voxels, and a part thinner than a voxel or two
gets a skin that keeps it visible.
"""

from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import edt
import numpy as np
from jaxtyping import Bool, Float
from models import Model
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

FINE = 160  # voxels along an edge
POINTS = 48_000  # a model
FAR = 0.08  # distances are known up to here
THIN = 1.6  # voxels: what is thinner gets a skin of half that
SPREADS = (0.008, 0.03)  # of the points about the surface, half of them each


@dataclass(frozen=True)
class Points:
    """``x`` in [-1, 1]^3, ``distance`` in [-FAR, FAR] (negative inside), ``shown`` is albedo and paint in [0, 1]."""

    x: Float[np.ndarray, "n 3"]
    distance: Float[np.ndarray, " n"]
    shown: Float[np.ndarray, "n 4"]

    def save(self, file: Path) -> None:
        """As integers of 16, 8 and 8 bits, written whole or not at all."""
        x, shown = np.round(self.x * 32767).astype(np.int16), np.round(self.shown * 255).astype(np.uint8)
        part = file.with_suffix(".part")
        with part.open("wb") as out:
            np.savez(out, x=x, distance=np.round(self.distance / FAR * 127).astype(np.int8), shown=shown)
        part.rename(file)

    @classmethod
    def load(cls, file: Path) -> "Points":
        with np.load(file) as z:
            x, distance = z["x"].astype(np.float32) / 32767, z["distance"].astype(np.float32) * (FAR / 127)
            return cls(x, distance, z["shown"].astype(np.float32) / 255)


def points_of(model: Model, count: int = POINTS, fine: int = FINE, seed: int = 0) -> Points:
    """Three quarters of the points about the surface, the rest anywhere; colours are those of the nearest surface."""
    rng = np.random.default_rng(seed)
    surface, shown = surface_points(model, fine, rng)
    signed = distances(solid(surface, fine)) * (2 / fine)
    start = surface[rng.integers(len(surface), size=3 * count // 4)]
    spread = np.resize(SPREADS, len(start))[:, None]
    near = start + rng.normal(0, 1, start.shape) * spread
    x = np.clip(np.concatenate((near, rng.uniform(-1, 1, (count - len(start), 3)))), -1, 1)
    distance = map_coordinates(signed, ((x + 1) / 2 * fine - 0.5).T, order=1, mode="nearest")
    some = rng.choice(len(surface), min(len(surface), 60_000), replace=False)
    _, nearest = cKDTree(surface[some]).query(x)
    return Points(x.astype(np.float32), np.clip(distance, -FAR, FAR).astype(np.float32), shown[some][nearest])


def surface_points(
    model: Model, fine: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 4"]]:
    """Points uniform in area, some six a voxel that the surface crosses; albedo and paint there."""
    paint = np.where(model.ratio < 0, 0, model.ratio / 2)
    values = np.concatenate((model.colours, paint[:, None]), 1).astype(np.float32)
    corner = model.vertices.astype(np.float64)[model.faces]
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    total = np.cumsum(area)
    n = int(np.clip(total[-1] / 2 * (fine / 2) ** 2 * 6, 120_000, 1_500_000))
    face = np.minimum(np.searchsorted(total, rng.random(n) * total[-1]), len(model.faces) - 1)
    u, w = rng.random((2, n, 1))
    u, w = np.where(u + w > 1, 1 - u, u), np.where(u + w > 1, 1 - w, w)
    barycentric = np.concatenate((1 - u - w, u, w), 1)
    points = (corner[face] * barycentric[..., None]).sum(1)
    return points, (values[model.faces[face]] * barycentric[..., None].astype(np.float32)).sum(1)


def solid(points: Float[np.ndarray, "n 3"], fine: int) -> Bool[np.ndarray, "fine fine fine"]:
    """The voxels (x, y, z) with a point, and all that they hide from all six sides."""
    shell = np.zeros((fine, fine, fine), bool)
    shell[tuple(np.clip(((points + 1) / 2 * fine).astype(np.int64), 0, fine - 1).T)] = True
    hidden = np.ones_like(shell)
    for axis in range(3):
        hidden &= np.maximum.accumulate(shell, axis)
        hidden &= np.flip(np.maximum.accumulate(np.flip(shell, axis), axis), axis)
    return shell | hidden


def distances(full: Bool[np.ndarray, "n n n"]) -> Float[np.ndarray, "n n n"]:
    """Signed distance of each voxel's centre in voxels; parts thinner than ``THIN`` grow a skin.

    A voxel that the surface crosses has it at its centre on average, so the outermost ones count as the surface.
    """
    depth = to_false(full)
    signed = np.where(full, 1 - depth, to_false(~full))
    core = depth > THIN
    thin = full & (to_false(~core) > THIN + 0.8) if core.any() else full
    return np.minimum(signed, to_false(~thin) - 0.5 - THIN / 2) if thin.any() else signed


def to_false(of: Bool[np.ndarray, "n n n"]) -> Float[np.ndarray, "n n n"]:
    """Euclidean distance to the nearest voxel that is False; 0 there."""
    return edt.edt(np.ascontiguousarray(of), parallel=1, black_border=False)


def make_points(models: list[Model], folder: Path, workers: int) -> None:
    """A file for each model that has none yet: some two seconds a model and core."""
    folder.mkdir(parents=True, exist_ok=True)
    left = [(model, file) for model in models if not (file := folder / f"{model.key}.npz").is_file()]
    with get_context("fork").Pool(max(1, min(workers, len(left)))) as pool:
        for done, name in enumerate(pool.imap_unordered(write_points, left), 1):
            if done % 50 == 1 or done == len(left):
                print(f"points: {done} of {len(left)} models ({name})", flush=True)


def write_points(work: tuple[Model, Path]) -> str:
    model, file = work
    points_of(model).save(file)
    return model.name
