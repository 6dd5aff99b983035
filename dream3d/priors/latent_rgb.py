"""The affine map from a VAE's latents to RGB, for fields of latents."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dream3d.priors.spaces import Latent
from dream3d.types import Image

PICTURES, CELLS, PATCH = 48, 4, 16  # random pictures, their coarse pixels and latents a side


@torch.no_grad()
def affine_rgb(space: Latent) -> Float[Tensor, "d 3"]:
    """``[latent, 1] M`` nearest to RGB, by least squares over smooth random pictures.

    Latent-NeRF (arXiv 2211.07600, Sec. 3.3) has such a map for Stable Diffusion 1, with constants found so;
    here it is fitted to whatever VAE the prior has. A 1/1000 of ridge keeps unused channels at 0.
    """
    draw = torch.Generator().manual_seed(0)
    device = next(space.vae.parameters()).device
    size = PATCH * space.factor
    coarse = torch.rand(PICTURES, 3, CELLS, CELLS, generator=draw)
    pictures = F.interpolate(coarse, size=size, mode="bilinear", align_corners=False).to(device)
    small = Latent(space.vae, size, "mean")
    latents = []
    for picture in pictures:
        image = Image(picture.permute(1, 2, 0)[None], torch.ones(1, size, size, 1, device=device))
        latents.append(small.encode(image, torch.zeros(1, 1, 1, 3, device=device), None))
    z = torch.cat(latents).permute(0, 2, 3, 1).flatten(0, 2).double().cpu()
    wanted = F.interpolate(pictures, size=PATCH, mode="area").permute(0, 2, 3, 1).flatten(0, 2)
    inputs = torch.cat((z, torch.ones(len(z), 1)), dim=1)
    ridge = 1e-3 * len(z) ** 0.5 * torch.eye(inputs.shape[1], dtype=torch.float64)
    ridge[-1] = 0
    targets = torch.cat((wanted.double().cpu(), torch.zeros(len(ridge), 3)))
    return torch.linalg.lstsq(torch.cat((inputs, ridge)), targets).solution.float()
