"""The oracle of image-to-3D: a known mesh from one image of it, without and with the exact score of its other views.

    python scripts/reconstruct_picture.py MESH [MESH ...] [--out FILE.json] [--set steps=200]

Prints, per mesh, PSNR [dB] on white of the image's own view and the mean of five views from the sides and from behind,
with the losses of the image alone and beside SDS, and the median gradient norms. The mesh should rebuild in both; what
the image does not show, only with the prior.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import mean, median

import torch
from jaxtyping import Float
from PIL import Image as Pillow
from torch import Tensor

from dream3d.cameras import orbit
from dream3d.cli.overrides import composed
from dream3d.mesh.reading import load_textured
from dream3d.metrics.psnr import psnr
from dream3d.optimize import Setup, optimize
from dream3d.reference.view import Reference as Picture
from dream3d.render.reference import Reference
from dream3d.report.pictures import to_bytes
from dream3d.run.build import build
from dream3d.types import Camera

WHITE = torch.ones(1, 1, 1, 3)
UNSEEN = (90.0, 135.0, 180.0, 225.0, 270.0)  # degrees of azimuth; the image is seen from 0
PIXELS = 256  # of the image
ALONE = ("distill.loss.clip=0.0",)  # no gradient of the prior


def cameras(size: int, azimuths: tuple[float, ...]) -> Camera:
    """The image's camera, turned."""
    front = Picture().camera(size)
    elevation, distance, fov_y = (one.expand(len(azimuths)) for one in (front.elevation, front.distance, front.fov_y))
    return orbit(torch.tensor(azimuths).deg2rad(), elevation, distance, fov_y, size)


def draw(mesh: Reference, file: Path) -> None:
    """The mesh from the front, as a PNG with alpha."""
    image = mesh.picture(cameras(PIXELS, (0.0,)))
    rgba = torch.cat((image.colour[0] / image.alpha[0].clamp(min=1e-6), image.alpha[0]), dim=-1)
    Pillow.fromarray(to_bytes(rgba).numpy()).save(file)


@torch.no_grad()
def decibels(setup: Setup, mesh: Reference, views: Camera) -> list[float]:
    """PSNR of the first field's view from each camera."""
    truth, image = mesh.picture(views).over(WHITE), setup.renderers[0](setup.fields[0], views).image.over(WHITE)
    return [float(psnr(image[i : i + 1].clamp(0, 1), truth[i : i + 1])) for i in range(len(image))]


def reconstruct(mesh: Reference, words: list[str]) -> dict[str, float]:
    """One run: dB of the seen and of the unseen views, median gradient norms, seconds of all cores."""
    settings = composed(words)
    setup, begin = build(settings), time.process_time()
    norms: dict[str, list[Float[Tensor, ""]]] = {}
    for step in optimize(setup, 0, settings.steps):
        for name, value in step.losses.items():
            if name.endswith("_grad_norm"):
                norms.setdefault(name, []).append(value)
    seconds = time.process_time() - begin
    return {
        "seen": decibels(setup, mesh, cameras(settings.size, (0.0,)))[0],
        "unseen": mean(decibels(setup, mesh, cameras(settings.size, UNSEEN))),
        **{name: median(float(value) for value in values) for name, values in norms.items()},
        "core seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("meshes", type=Path, nargs="+")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--set", nargs="*", default=[], help="further configuration, key=value")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for file in args.meshes:
            mesh, picture = Reference(load_textured(file)), Path(folder) / "picture.png"
            draw(mesh, picture)
            words = ["prompt=x", "prior=renders", f"prior.path={file}", f"image={picture}", "refine=none", *args.set]
            for guidance, more in (("image alone", ALONE), ("image and SDS", ())):
                rows.append({"mesh": file.stem, "guidance": guidance, **reconstruct(mesh, [*words, *more])})
                shown = {k: round(v, 2) if isinstance(v, float) else v for k, v in rows[-1].items()}
                print(json.dumps(shown), flush=True)
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
