"""Render training views for the embedded prior from a folder of 3D models.

    python scripts/render_views.py ASSETS OUT [--concepts scripts/mini_concepts.json] [--rounds 8]

ASSETS is a folder of GLB / OBJ / PLY files (a file's name is its caption: ``red_car.glb``), or a
packed dataset (``index.jsonl`` and ``shard-NN.npz``). OUT gets ``assets.json``, ``volumes.npz`` (every
model as 32^3 cells) and one ``views-NNN.npz`` a round: in every round each concept is seen by
``--cameras`` random cameras, all of its models by the same cameras and lights. Rounds are independent: a
missing one can be made alone.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from dream3d.cameras import Orbit, flatten
from dream3d.priors.mini.assets import Asset, folder_assets, packed_assets
from dream3d.priors.mini.volumes import solid
from dream3d.render.reference import AMBIENT, Reference, random_light


def attributes(asset: Asset) -> torch.Tensor:
    """Per vertex: colour (3), colour of the tintable part (3), relative luma of that part halved (1)."""
    tint = asset.tint[:, None]
    luma = asset.mesh.colours @ torch.tensor([0.299, 0.587, 0.114])
    median = luma[asset.tint > 0].median() if bool((asset.tint > 0).any()) else torch.tensor(1.0)
    relative = (luma / median.clamp(min=0.02)).clamp(max=2)[:, None] / 2
    return torch.cat((asset.mesh.colours, asset.mesh.colours * tint, relative * tint), dim=1)


def render_round(
    concepts: dict[str, list[Asset]], orbit: Orbit, cameras: int, size: int, ambient: float, seed: int
) -> dict[str, np.ndarray]:
    """All models of all concepts; every concept has its own cameras and lights, shared by its models."""
    views, asset_ids, groups, flat, number = [], [], [], [], 0
    generator = torch.Generator().manual_seed(seed)
    for models in concepts.values():
        scenes = [Reference(a.mesh, attributes(a)) for a in models]
        camera = orbit.sample(cameras, size, generator)
        lights = [random_light(generator) for _ in range(cameras)]
        for asset, scene in zip(models, scenes, strict=True):
            for i in range(cameras):
                image = scene.picture(camera[i : i + 1], lights[i], ambient=ambient)
                pixels = torch.cat((image.colour[..., :3], image.alpha, image.colour[..., 3:]), dim=-1)
                views.append((pixels[0] * 255).round().clamp(0, 255).to(torch.uint8).numpy())
                asset_ids.append(asset.number)
                groups.append(number + i)
        flat.append(flatten(camera))
        number += cameras
    return {
        "views": np.stack(views),  # n h w 8: premultiplied rgb, alpha, rgb and luma of the tintable part
        "asset": np.array(asset_ids, dtype=np.int32),
        "group": np.array(groups, dtype=np.int32),
        "camera": torch.cat(flat).numpy(),  # one row a group
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assets", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--concepts", type=Path, help="json: which names make up a concept (packed datasets)")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument("--cameras", type=int, default=16, help="cameras a concept and round")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--max-models", type=int, help="models a concept (instead of the json's choice)")
    parser.add_argument("--elevation", type=float, nargs=2, default=(-20, 80), help="degrees")
    parser.add_argument("--fov-y", type=float, nargs=2, default=(30, 50), help="degrees")
    parser.add_argument("--ambient", type=float, default=AMBIENT, help="share of the light that has no direction")
    args = parser.parse_args()
    if (args.assets / "index.jsonl").exists():
        if args.concepts is None:
            sys.exit("a packed dataset needs --concepts (scripts/mini_concepts.json)")
        concepts = packed_assets(args.assets, json.loads(args.concepts.read_text()), args.max_models)
    else:
        concepts = folder_assets(args.assets)
    args.out.mkdir(parents=True, exist_ok=True)
    assets = [asset for models in concepts.values() for asset in models]
    (args.out / "assets.json").write_text(json.dumps([a.card for a in assets], indent=1))
    if not (args.out / "volumes.npz").exists():
        volumes = np.stack([solid(a.mesh, attributes(a)) for a in assets])
        np.savez_compressed(args.out / "volumes.npz", volumes=volumes)
    torch.set_num_threads(1)
    orbit = Orbit(elevation=tuple(args.elevation), fov_y=tuple(args.fov_y))
    for index in range(args.first, args.first + args.rounds):
        start = time.perf_counter()
        pieces = render_round(concepts, orbit, args.cameras, args.size, args.ambient, seed=index)
        partial = args.out / f"views-{index:03d}.partial.npz"
        np.savez_compressed(partial, **pieces)
        partial.rename(args.out / f"views-{index:03d}.npz")
        rate = len(pieces["views"]) / (time.perf_counter() - start)
        print(f"round {index}: {len(pieces['views'])} views, {rate:.0f} a second", flush=True)


if __name__ == "__main__":
    main()
