"""The engine's end-to-end oracle: distil a known mesh from the exact score of its own pictures.

    python scripts/reconstruct.py MESH [MESH ...] [--fields triplane hashgrid] [--steps 400] [--out FILE.json]

Prints volume IoU with the mesh, mean PSNR over 16 unseen views (on white) and seconds, per mesh and field.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from dream3d.__main__ import composed
from dream3d.build import build
from dream3d.cameras import Orbit
from dream3d.mesh.load import load_mesh
from dream3d.metrics.iou import mesh_occupancy, volume_iou
from dream3d.metrics.psnr import psnr
from dream3d.optimize import Setup, optimize
from dream3d.render.reference import Reference
from dream3d.seeding import generator

WHITE = torch.ones(1, 1, 1, 3)


@torch.no_grad()
def field_occupancy(setup: Setup, resolution: int, opacity: float = 0.5) -> torch.Tensor:
    """Cells whose density makes three of their own edges ``opacity`` opaque."""
    axis = (torch.arange(resolution) + 0.5) / resolution * 2 - 1
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).view(-1, 3)
    density = torch.cat([setup.fields[0].density(p) for p in points.split(65536)])
    level = -torch.log(torch.tensor(1 - opacity)) / (3 * 2 / resolution)
    return (density > level).view(resolution, resolution, resolution)


@torch.no_grad()
def score(setup: Setup, mesh_file: Path) -> dict[str, float]:
    """IoU and PSNR of the first field against the mesh."""
    mesh = load_mesh(mesh_file)
    camera = Orbit().sample(16, 64, generator(12345, 0, "unseen"))
    truth = Reference(mesh).picture(camera).over(WHITE)
    image = setup.renderers[0](setup.fields[0], camera).image.over(WHITE)
    each = [float(psnr(image[i : i + 1].clamp(0, 1), truth[i : i + 1])) for i in range(16)]
    iou = volume_iou(field_occupancy(setup, 64), mesh_occupancy(mesh, 64))
    return {"psnr": sum(each) / 16, "worst psnr": min(each), "iou": iou}


def reconstruct(mesh: Path, field: str, overrides: list[str]) -> dict[str, float | str]:
    words = [
        "prior=renders",
        f"prior.path={mesh}",
        f"field={field}",
        "prompt=x",
        "experiment=reconstruct",
        *overrides,
    ]
    settings = composed(words)
    begin = time.perf_counter()
    setup = build(settings)
    for _ in optimize(setup, 0, settings.steps):
        pass
    seconds = time.perf_counter() - begin
    return {
        "mesh": mesh.stem,
        "field": field,
        "steps": settings.steps,
        "seconds": seconds,
        **score(setup, mesh),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("meshes", type=Path, nargs="+")
    parser.add_argument("--fields", nargs="+", default=["triplane"])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--set", nargs="*", default=[], help="further configuration, key=value")
    args = parser.parse_args()
    rows = []
    for field in args.fields:
        for mesh in args.meshes:
            rows.append(reconstruct(mesh, field, args.set))
            print(
                json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in rows[-1].items()}),
                flush=True,
            )
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
