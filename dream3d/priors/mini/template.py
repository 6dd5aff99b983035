"""The template: what the words look like from a camera, as a coarse volume rendered there.

Text -> 32^3 volume of density and colour -> volume rendering at the camera. It is trained without noise
to be the picture of the most typical model that fits the text (scripts/train_mini.py); the UNet sees the
rendering as extra input channels. Volumes that condition a 2D denoiser through rendering: GeNVS,
arXiv 2304.02602.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

PAINTED = 3 + 1 + 1  # premultiplied colour, alpha, depth
CELLS = 32  # along an edge of the volume
EXTINCTION = 10.0  # a unit of length
SAMPLES = 24


def summary(text: Float[Tensor, "b l e"]) -> Float[Tensor, "b 2*e"]:
    """The last token (padding is on the left: it is the noun and has seen all other words) and the mean of
    all, enlarged so that one word among padding still counts."""
    return torch.cat((text[:, -1], 3 * text.mean(dim=1)), dim=-1)


class Template(nn.Module):
    """A 3D decoder from 4^3 to 32^3 cells over [-1, 1]^3, stored as (z, y, x).

    A named colour is one paint for the whole thing: the text says which and how much (``paint``), every cell
    says how far it takes paint (a car's body, not its tyres). So a colour learned on cars holds for chairs.
    """

    def __init__(self, text: int, channels: Sequence[int], hidden: int = 512) -> None:
        super().__init__()
        first, second, third = channels
        self.mix = nn.Sequential(
            nn.Linear(2 * text, hidden), nn.LayerNorm(hidden), nn.SiLU(),
            nn.Linear(hidden, hidden), nn.LayerNorm(hidden), nn.SiLU(),
            nn.Linear(hidden, first * 4**3),
        )  # fmt: skip
        self.norm = nn.ModuleList(nn.GroupNorm(width // 4, width) for width in channels)
        self.up = nn.ModuleList((
            nn.Conv3d(first, second, 3, padding=1),
            nn.Conv3d(second, third, 3, padding=1),
            nn.Conv3d(third, 1 + 3 + 1, 3, padding=1),
        ))  # fmt: skip
        self.paint = nn.Sequential(nn.Linear(2 * text, 64), nn.SiLU(), nn.Linear(64, 3 + 1))

    def forward(self, text: Float[Tensor, "n l e"]) -> Float[Tensor, "n 4 z y x"]:
        """Cells: raw density, colour in [0, 1]."""
        dtype = next(self.mix.parameters()).dtype
        words = summary(text).to(dtype)
        x = self.mix(words).unflatten(1, (-1, 4, 4, 4))
        for norm, layer in zip(self.norm, self.up, strict=True):
            x = layer(F.interpolate(F.silu(norm(x)), scale_factor=2.0, mode="nearest"))
        paint = self.paint(words).sigmoid()[:, :, None, None, None]
        share = paint[:, 3:] * x[:, 4:].sigmoid()
        colour = torch.lerp(x[:, 1:4].sigmoid(), paint[:, :3].expand_as(x[:, 1:4]), share)
        return torch.cat((x[:, :1], colour), dim=1)

    def render(
        self,
        volume: Float[Tensor, "n 4 z y x"],
        which: Int[Tensor, " b"],
        direction: Float[Tensor, "b 3 h w"],
        camera: Float[Tensor, "b 17"],
    ) -> Float[Tensor, "b 5 h w"]:
        """Emission and absorption along each ray, in float32; view i looks at volume ``which[i]``."""
        origin = camera[:, :16].unflatten(-1, (4, 4))[:, :3, 3]
        distance = origin.norm(dim=-1)[:, None, None, None]
        along = distance - 1 + (torch.arange(SAMPLES, device=camera.device) + 0.5)[:, None, None] * (2 / SAMPLES)
        points = origin[:, None, None, None] + along[..., None] * direction.permute(0, 2, 3, 1)[:, None]
        cells = self._at(volume.float(), which, points)
        inside = (points.square().sum(-1) < 1).to(cells.dtype)
        alpha = 1 - torch.exp(-EXTINCTION * inside * F.softplus(cells[:, 0] - 1) * (2 / SAMPLES))
        through = torch.cumprod(1 - alpha + 1e-6, dim=1)
        weight = alpha * torch.cat((torch.ones_like(through[:, :1]), through[:, :-1]), dim=1)
        depth = (along - distance).expand_as(alpha)[:, None]
        values = torch.cat((cells[:, 1:], torch.ones_like(depth), depth), dim=1)
        return (weight[:, None] * values).sum(dim=2)

    @staticmethod
    def _at(
        volume: Float[Tensor, "n c z y x"], which: Int[Tensor, " b"], points: Float[Tensor, "b s h w 3"]
    ) -> Float[Tensor, "b c s h w"]:
        """Trilinear look-up, zero outside."""
        return F.grid_sample(volume[which], points, padding_mode="zeros", align_corners=False)
