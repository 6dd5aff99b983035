"""A prompt's embedding moved towards a picture (RealFusion, arXiv 2302.10663, Sec. 3.3, moves one word's vector).

    min_d  E_{t, noise} | f(x_t, t, e + d, camera) - target |^2,    x the picture,

over the whole embedding e, by the network's own training loss (arXiv 2208.01618) on the one picture.
"""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.diffusion import q_sample
from dream3d.priors.mini.family import MiniFamily
from dream3d.priors.pipeline import Pipeline


def picture_words(
    prior: Pipeline,
    embedding: Float[Tensor, "1 l c"],
    x: Float[Tensor, "1 d y x"],
    camera: Float[Tensor, "1 17"],
    generator: Generator,
    *,
    steps: int,
    lr: float,
) -> Float[Tensor, "1 l c"]:
    """What to add to the embedding, after ``steps`` of Adam, one noise each."""
    change = torch.zeros_like(embedding, requires_grad=True)
    learns = torch.ones_like(embedding)
    if isinstance(prior.family, MiniFamily):
        learns[:, -1] = 0  # the row that numbers a shape
    optimizer = torch.optim.Adam([change], lr=lr)
    for _ in range(steps):
        t = torch.randint(len(prior.alpha_bar), (1,), generator=generator).to(x.device)
        noise = torch.randn(x.shape, generator=generator).to(x)
        out = prior.predict(q_sample(x, t, noise, prior.alpha_bar), t, embedding + learns * change, camera)
        optimizer.zero_grad()
        (out - prior.target(x, noise, t)).square().mean().backward()
        optimizer.step()
    return (learns * change).detach()
