"""A contact sheet of runs: eight views of each mesh, and below it the typical model that it is compared with.

python scripts/figure_mini.py outputs/a-corgi outputs/a-castle --out docs/mini.jpg --size 192
"""

import argparse
from pathlib import Path

import torch
from omegaconf import OmegaConf
from PIL import Image

from dream3d.cameras import turntable
from dream3d.mesh.reading import load_textured
from dream3d.metrics.gallery import nouns, typical
from dream3d.priors.loading.resolve import EMBEDDED
from dream3d.priors.mini.words import concepts_of, meaning
from dream3d.render.reference import Reference
from dream3d.report.pictures import to_bytes
from dream3d.types import Mesh

VIEWS = 8


def row(mesh: Mesh, size: int) -> torch.Tensor:
    """``VIEWS`` pictures side by side, softly lit, over white."""
    reference, cameras = Reference(mesh), turntable(VIEWS, 0.3, 3.2, 0.65, size)
    views = [reference.picture(cameras[i : i + 1], supersample=2, ambient=0.85) for i in range(VIEWS)]
    return torch.cat([view.over(torch.ones(1, 1, 1, 3))[0] for view in views], dim=1)


def rows(folder: Path, size: int) -> list[torch.Tensor]:
    """The run's mesh, and its typical model where the gallery has one."""
    meant = meaning(str(OmegaConf.load(folder / "config.yaml")["prompt"]), concepts_of(EMBEDDED) or {})
    made = [row(load_textured(folder / "mesh.glb"), size)]
    return [*made, row(typical(meant.concept), size)] if meant and meant.concept in nouns() else made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=192)
    args = parser.parse_args()
    sheet = torch.cat([line for folder in args.runs for line in rows(folder, args.size)])
    Image.fromarray(to_bytes(sheet).numpy()).save(args.out, quality=85)


if __name__ == "__main__":
    main()
