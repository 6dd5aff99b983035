"""Runs of the embedded prior against its typical models: surface, normals, colour, volume, retrieval.

python scripts/measure_mini.py outputs/a-corgi outputs/a-castle --json figures.json

Prompts whose noun the gallery (``metrics/gallery.py``) does not have are left out. Colour is compared for prompts
without a colour word only; retrieval is the typical model, of all in the gallery, whose pictures are nearest.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from omegaconf import OmegaConf

from dream3d.cameras import pixel_rays, turntable
from dream3d.mesh.reading import load_textured
from dream3d.metrics.gallery import nouns, typical
from dream3d.metrics.iou import mesh_iou
from dream3d.metrics.visible_surface import visible_match
from dream3d.priors.loading.resolve import EMBEDDED
from dream3d.priors.mini.words import concepts_of, meaning
from dream3d.render.reference import Reference, texture_at
from dream3d.types import Mesh

CAMERA = (0.35, 3.2, 0.65)  # elevation, distance, field of view of the ring


def coloured(file: Path) -> Mesh:
    """A mesh file where it was before it was fitted into the unit ball, its texture as vertex colours."""
    mesh = load_textured(file)
    assert mesh.placement is not None
    colours = mesh.colours if mesh.texture is None or mesh.uv is None else texture_at(mesh.texture, mesh.uv)
    return Mesh(mesh.placement[3] * mesh.vertices + mesh.placement[:3], mesh.faces, colours=colours)


def pictures(mesh: Mesh) -> torch.Tensor:
    """Four views of 48 x 48, unlit, over grey."""
    reference, cameras = Reference(mesh), turntable(4, *CAMERA, 48)
    return reference.picture(cameras, supersample=2, ambient=1.0).over(torch.full((1, 1, 1, 3), 0.5))


def measured(folder: Path, concepts: dict[str, list[str]], known: dict[str, torch.Tensor]) -> dict[str, object] | None:
    """The figures of one run, None where the gallery has no model for it."""
    prompt = str(OmegaConf.load(folder / "config.yaml")["prompt"])
    meant = meaning(prompt, concepts)
    if meant is None or meant.concept not in known:
        return None
    mesh, reference = coloured(folder / "mesh.glb"), typical(meant.concept)
    match = asdict(visible_match(mesh, reference, pixel_rays(turntable(10, *CAMERA, 128))))
    if meant.colour is not None:
        match["rgb"] = None
    seen = pictures(mesh)
    nearest = min(known, key=lambda noun: float((known[noun] - seen).square().mean()))
    return {"prompt": prompt, **match, "iou": mesh_iou(mesh, reference, 96), "retrieved": nearest == meant.concept}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    concepts = concepts_of(EMBEDDED) or {}
    known = {noun: pictures(typical(noun)) for noun in nouns()}
    rows = [row for folder in args.runs if (row := measured(folder, concepts, known)) is not None]
    for row in rows:
        print(row, flush=True)
    names = ("f_score", "normals", "rgb", "iou", "retrieved")
    mean = {n: float(np.mean([row[n] for row in rows if row[n] is not None])) for n in names} if rows else {}
    print({"runs": len(rows), **mean})
    if args.json:
        args.json.write_text(json.dumps({"runs": rows, "mean": mean}, indent=1) + "\n")


if __name__ == "__main__":
    main()
