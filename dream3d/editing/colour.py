"""keep=colour: the source's surface keeps its colours; its shape may change."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.contracts import Pair

FAINT = 0.01  # fraction of a pixel below which a sample is not part of the surface


def surface_colour(pair: Pair, generator: Generator, *, points: int = 4096) -> Float[Tensor, ""]:
    """Mean squared difference of the two fields' colours at what the cameras see of the source: ``points`` of the
    samples of its render that add at least 1 % to their pixel. In [0, 1]; 0 where nothing is seen.
    """
    x, weights = pair.source_render.points, pair.source_render.weights
    assert x is not None and weights is not None  # a volume renderer's
    seen = (weights > FAINT).nonzero().squeeze(1)
    if len(seen) == 0:
        return pair.render.image.colour.sum() * 0
    pick = seen[torch.randint(len(seen), (points,), generator=generator).to(seen.device)]
    with torch.no_grad():
        before = pair.source.surface(x[pick]).colour
    return (pair.field.surface(x[pick]).colour - before).square().mean()
