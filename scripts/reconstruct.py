"""The engine's end-to-end oracle: distil a known mesh from the exact score of its own pictures.

    python scripts/reconstruct.py MESH [MESH ...] [--fields triplane mlp] [--out FILE.json] [--set steps=200]

Prints, per mesh and field, seconds of training (by the clock, and of all cores), mean PSNR over 16 unseen
views (on white), and volume IoU: what the mesh encloses that a run would export (its level found as always,
cleaned and decimated) against what the known mesh encloses. Take closed meshes: a sheet encloses nothing.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from hydra.utils import instantiate

from dream3d.cameras import Orbit
from dream3d.cli.overrides import composed
from dream3d.mesh.clean import inspect
from dream3d.mesh.reading import load_mesh
from dream3d.metrics.iou import mesh_iou
from dream3d.metrics.psnr import psnr
from dream3d.optimize import Setup, optimize
from dream3d.render.reference import Reference
from dream3d.run.build import build
from dream3d.seeding import generator
from dream3d.types import Mesh

WHITE = torch.ones(1, 1, 1, 3)


@torch.no_grad()
def score(setup: Setup, extracted: Mesh, mesh_file: Path) -> dict[str, float]:
    """PSNR of the first field, and IoU of what the extracted mesh encloses, against the mesh."""
    mesh = load_mesh(mesh_file)
    camera = Orbit().sample(16, 64, generator(12345, 0, "unseen"))
    truth = Reference(mesh).picture(camera).over(WHITE)
    image = setup.renderers[0](setup.fields[0], camera).image.over(WHITE)
    each = [float(psnr(image[i : i + 1].clamp(0, 1), truth[i : i + 1])) for i in range(16)]
    return {"psnr": sum(each) / 16, "worst psnr": min(each), "iou": mesh_iou(extracted, mesh)}


def reconstruct(mesh: Path, field: str, overrides: list[str]) -> dict[str, float | str | bool]:
    words = [
        "prior=renders",
        f"prior.path={mesh}",
        f"field={field}",
        "prompt=x",
        "experiment=reconstruct",
        *overrides,
    ]
    settings = composed(words)
    begin, worked = time.perf_counter(), time.process_time()
    setup = build(settings)
    for _ in optimize(setup, 0, settings.steps):
        pass
    seconds, worked = time.perf_counter() - begin, time.process_time() - worked
    extracted = instantiate(settings.mesh).geometry(setup.fields[0])
    return {
        "mesh": mesh.stem,
        "field": field,
        "steps": settings.steps,
        "seconds": seconds,
        "core seconds": worked,
        **score(setup, extracted, mesh),
        "watertight": inspect(extracted).watertight,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
