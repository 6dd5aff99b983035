"""The colour of a surface as volume rendering shows it."""

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.mesh.query import surface_at
from dream3d.types import Field

FLOOR = 1e-3  # opacity below which the colour at the surface itself counts


def visible_colour(
    field: Field,
    x: Float[Tensor, "n 3"],
    normal: Float[Tensor, "n 3"],
    *,
    outside: float,
    inside: float,
    samples: int,
    chunk: int,
) -> Float[Tensor, "n 3"]:
    """Colour that a ray along ``-normal`` through x gathers near the surface.

    The ray goes from ``outside`` above the surface to ``inside`` below it, in ``samples`` steps d:
    ``sum_k T_k (1 - exp(-density_k d)) colour_k``, normalised by its weights. Starting close to the
    surface keeps other parts of the object out of the picture.

    Raises:
        ValueError: no samples, no way to go, or colours that are not RGB.
    """
    if samples < 1 or outside < 0 or inside <= 0:
        raise ValueError(
            f"mesh.colour_samples, outside, inside: got {samples}, {outside}, {inside}; "
            "expected samples >= 1, outside >= 0, inside > 0"
        )
    step = (outside + inside) / samples
    offset = (torch.arange(samples) + 0.5) * step - outside
    points = (x[:, None] - offset[:, None] * normal[:, None]).reshape(-1, 3)
    surface = surface_at(field, points, chunk)
    depth = surface.density.view(-1, samples) * step
    weight = torch.exp(depth - depth.cumsum(1)) * -torch.expm1(-depth)
    # Where hardly anything is opaque (thin sheets lost in decimation) the first sample below decides.
    weight[:, min(int((offset < 0).sum()), samples - 1)] += FLOOR
    colour = surface.colour.view(-1, samples, 3)
    return (weight[..., None] * colour).sum(1) / weight.sum(1, keepdim=True)
