"""Coarse volumes of every model of a library, by which a prior finds what a picture shows (``image=``).

python scripts/mini/coarse.py models/ prior/     # writes prior/volumes.npz
"""

from pathlib import Path

import torch
from models import Library, Model
from torch import Generator
from train_network import arguments, explained, library_of

from dream3d.mesh.paint import coloured_points
from dream3d.priors.mini.volumes import CELLS, VOLUMES, Volumes, save_volumes
from dream3d.seeding import generator
from dream3d.types import Mesh

POINTS = 12_000  # of a surface


def volumes_of(library: Library) -> Volumes:
    """The cells that random points of each model's surface fall into, how bright they are, and the model's nouns."""
    models = list(library.models.values())
    cells = [cells_of(model, generator(i, 0, "volumes")) for i, model in enumerate(models)]
    nouns = [[n for n, concept in library.concepts.items() if model.name in concept.models] for model in models]
    occupied, luma = (torch.stack(part) for part in zip(*cells, strict=True))
    return Volumes([model.name for model in models], nouns, occupied, luma)


def cells_of(model: Model, draw: Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """(occupied, mean brightness) of every cell, and of one more that is empty."""
    vertices, colours = torch.from_numpy(model.vertices), torch.from_numpy(model.colours)
    mesh = Mesh(vertices, torch.from_numpy(model.faces).long(), colours)
    x, shown, _ = coloured_points(mesh, POINTS, draw)
    at = ((x + 1) / 2 * CELLS).floor().long().clamp(0, CELLS - 1)
    cell = (at[:, 0] * CELLS + at[:, 1]) * CELLS + at[:, 2]
    count = torch.bincount(cell, minlength=CELLS**3 + 1)
    total = torch.bincount(cell, weights=shown.double().mean(-1), minlength=CELLS**3 + 1).float()
    return count > 0, total / count.clamp(min=1)


def main() -> None:
    parser = arguments(__doc__)
    args = parser.parse_args()
    prior: Path = args.prior
    save_volumes(volumes_of(library_of(args)), prior / VOLUMES)


if __name__ == "__main__":
    explained(main)
