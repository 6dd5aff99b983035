"""From pictures of where two prompts disagree to a region in 3D, with no network's insides looked at.

The pictures are DiffEdit's (arXiv 2210.11427, Sec. 3.2): the mean over noises of |eps(x_t; y) - eps(x_t; y_src)|.
Every view of the source says of each point in front of its surface, or on it, whether the edit shows there.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.cameras import unflatten
from dream3d.diffusion import q_sample
from dream3d.distill.guidance import alone
from dream3d.types import Conditioning, ScoreModel

AGREE = 0.8  # of the views that see a point; what one view alone denies is carved away
CLIPPED = 0.98  # quantile of all differences that counts as the largest


@torch.no_grad()
def disagreement(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noises: Float[Tensor, "k b *d"],
    text: Conditioning,
    text_src: Conditioning,
) -> Float[Tensor, "b y x"]:
    """Mean over noises, channels and space of x: how far the prompts' predictions are apart, per pixel of x."""
    total = torch.zeros_like(x)
    for noise in noises:
        x_t = q_sample(x, t, noise, prior.alpha_bar)
        now, before = (prior.eps(x_t, t, alone(words, words.cond)).cond for words in (text, text_src))
        total += (now - before).abs()
    return (total / len(noises)).mean(1)


def scaled(maps: Float[Tensor, "v y x"]) -> Float[Tensor, "v y x"]:
    """To [0, 1] over all views together, the largest 2 % being 1; all 0 where there is no difference."""
    top = torch.quantile(maps.flatten(), CLIPPED)
    return (maps / top).clamp(max=1) if top > 0 else torch.zeros_like(maps)


def carved(
    points: Float[Tensor, "n 3"],
    maps: Float[Tensor, "v y x"],
    depth: Float[Tensor, "v h w"],
    camera: Float[Tensor, "v 17"],
    threshold: float,
    slack: float,
) -> Float[Tensor, " n"]:
    """1 at points that most of the views which see them show as changed (map > threshold).

    ``depth`` is the distance of what each pixel sees (inf: nothing); a view sees what is at most ``slack``
    behind that. Points that no view sees (inside, beneath) are 0. Maps are widened by a pixel, or else points on
    the surface would be denied by views that graze it.
    """
    maps = torch.nn.functional.max_pool2d(maps, 3, stride=1, padding=1)
    votes, seen = torch.zeros(len(points)), torch.zeros(len(points))
    views = unflatten(camera, depth.shape[-1])
    for i in range(len(camera)):
        local = (points - views.c2w[i, :3, 3]) @ views.c2w[i, :3, :3]
        ahead = -local[:, 2]
        scale = ahead.clamp(min=1e-6) * torch.tan(views.fov_y[i] / 2)
        at = torch.stack((local[:, 0] / scale, -local[:, 1] / scale), dim=-1)
        framed = (ahead > 1e-6) & (at.abs() <= 1).all(-1)
        visible = framed & (local.norm(dim=-1) <= looked_up(depth[i], at) + slack)
        seen += visible
        votes += visible & (looked_up(maps[i], at) > threshold)
    return ((votes >= AGREE * seen) & (seen > 0)).float()


def looked_up(picture: Float[Tensor, "h w"], at: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
    """The pixel that each of the points in [-1, 1]^2 (x to the right, y down) falls into."""
    h, w = picture.shape
    column = ((at[:, 0] + 1) / 2 * w).long().clamp(0, w - 1)
    row = ((at[:, 1] + 1) / 2 * h).long().clamp(0, h - 1)
    return picture[row, column]
