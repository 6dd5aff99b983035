"""Fields with known surfaces; colour is (x + 1) / 2."""

from collections.abc import Callable

import torch
from torch import Tensor

from dream3d.mesh.clean import clean
from dream3d.mesh.extract import find_isovalue, isosurface, sample
from dream3d.types import Mesh, Surface

CHUNK = 1 << 18


class Analytic:
    def __init__(self, of: Callable[[Tensor], Tensor]) -> None:
        self.of = of

    def density(self, x: Tensor) -> Tensor:
        return self.of(x) * (x.norm(dim=-1) <= 1)

    def surface(self, x: Tensor) -> Surface:
        return Surface(self.density(x), (x + 1) / 2)


def solid(distance: Callable[[Tensor], Tensor], density: float = 50.0, width: float = 0.0) -> Analytic:
    """``density`` where the signed distance is negative; ``width`` softens the step."""
    if width == 0:
        return Analytic(lambda x: density * (distance(x) < 0))
    return Analytic(lambda x: density * torch.sigmoid(-distance(x) / width))


def ball(x: Tensor, radius: float = 0.6, centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Tensor:
    return (x - torch.tensor(centre)).norm(dim=-1) - radius


def ring(x: Tensor, major: float = 0.5, minor: float = 0.2) -> Tensor:
    return torch.hypot(x[:, [0, 2]].norm(dim=-1) - major, x[:, 1]) - minor


def gaussian(peak: float, width: float) -> Analytic:
    return Analytic(lambda x: peak * torch.exp(-x.square().sum(-1) / (2 * width**2)))


def extracted(field: Analytic, resolution: int = 48, level: float | str = "auto", refine: int = 5) -> Mesh:
    grid = sample(field, resolution=resolution, chunk=CHUNK)
    return isosurface(field, grid, find_isovalue(grid, level), refine=refine, chunk=CHUNK)


def cleaned(field: Analytic, faces: int = 2000) -> Mesh:
    return clean(extracted(field), share=0.02, smoothing=0, faces=faces)
