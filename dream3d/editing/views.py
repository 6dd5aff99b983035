"""keep=views: the source's pictures stay, but for where the edit takes place."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.contracts import Pair, Regional
from dream3d.regularize.rays import ray_sum
from dream3d.types import Render


def unchanged_views(pair: Pair, generator: Generator, *, inside: float = 0.1) -> Float[Tensor, ""]:
    """Mean absolute difference of the two renders' premultiplied colour and alpha, as Instruct-NeRF2NeRF's L1
    (arXiv 2303.12789). A pixel that shows the region of the edit counts ``inside`` times; where the edit may be
    anywhere, every pixel counts in full.
    """
    now, before = (torch.cat((r.image.colour, r.image.alpha), dim=-1) for r in (pair.render, pair.source_render))
    difference = (now - before).abs().mean(-1)
    if not isinstance(pair.field, Regional) or pair.field.everywhere:
        return difference.mean()
    shown = torch.maximum(*(region_shown(r, pair.field) for r in (pair.render, pair.source_render)))
    return (difference * (1 - (1 - inside) * shown)).mean()


@torch.no_grad()
def region_shown(render: Render, field: Regional) -> Float[Tensor, "b h w"]:
    """How much of each pixel is inside the field's region, in [0, 1]."""
    assert render.points is not None and render.weights is not None and render.samples is not None
    inside = render.weights * field.share(render.points)
    shown = ray_sum(inside, render.samples.ray, render.samples.n_rays)
    return shown.view(render.image.alpha.shape[:-1]).clamp(max=1)
