"""Eight views of a field of any kind, for ``preview.png`` and the watchdog."""

from contextlib import suppress
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.cameras import turntable
from dream3d.contracts import LatentPrior
from dream3d.fields.latents import in_rgb, latents_of
from dream3d.mesh.build import Build
from dream3d.mesh.export import export
from dream3d.mesh.isovalue import EmptyField, SolidField
from dream3d.optimize import Setup
from dream3d.seeding import generator
from dream3d.types import Camera, Image

ELEVATION, DISTANCE, FOV_Y = 0.3, 3.2, 0.70  # cameras of previews and turntables


@torch.no_grad()
def sides(setup: Setup, size: int = 128) -> Image:
    """The first field from eight views, on the CPU; fields of latents by their affine map to RGB."""
    with in_rgb(setup.fields[0]):
        return rendered(setup, around(setup, size))


@torch.no_grad()
def decoded(setup: Setup, size: int = 64) -> Float[Tensor, "b h w 3"]:
    """A field of latents from eight views, decoded by the VAE over white; ``size`` latents a side."""
    image = rendered(setup, around(setup, size))
    white = torch.ones(1, setup.prior.resolution, setup.prior.resolution, 3, device=setup.device)
    black = torch.zeros_like(white[:, :1, :1])
    behind = setup.prior.encode(Image(white, white[..., :1]), black, generator(setup.seed, 0, "preview"))
    x = image.over(behind.mean(dim=(2, 3)).view(1, 1, 1, -1).cpu()).permute(0, 3, 1, 2).to(setup.device)
    assert isinstance(setup.prior, LatentPrior)
    return torch.cat([setup.prior.decode(one[None]).cpu() for one in x])


def shown(setup: Setup, image: Image) -> Float[Tensor, "b h w 3"]:
    """The views in ``preview.png``: ``image``, or for latents on a GPU the decoded views."""
    made_of_latents = any(not latents.rgb for latents in latents_of(setup.fields[0]))
    if made_of_latents and setup.device.type == "cuda":
        return decoded(setup)
    return image.over(torch.ones(1, 1, 1, 3))


def preview_mesh(setup: Setup, folder: Path) -> None:
    """Write ``preview.glb`` for the live view: the first field's current surface, coarse and with vertex colours;
    nothing if there is no surface yet."""
    with in_rgb(setup.fields[0]), suppress(EmptyField, SolidField):
        mesh = Build(resolution=48, refine=1, smoothing=1, faces=4000, colour_samples=2).geometry(setup.fields[0])
        export(mesh, folder, ["glb"], name="preview")


def around(setup: Setup, size: int) -> Camera:
    """Eight cameras on a circle around the object."""
    return turntable(8, ELEVATION, DISTANCE, FOV_Y, size).to(setup.device)


def rendered(setup: Setup, camera: Camera) -> Image:
    """The first field rendered view by view, on the CPU."""
    views = [setup.renderers[0](setup.fields[0], camera[i : i + 1]).image for i in range(len(camera))]
    return Image(torch.cat([v.colour for v in views]).cpu(), torch.cat([v.alpha for v in views]).cpu())
