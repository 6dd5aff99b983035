"""The centre of the image should be nearer than its border."""

from jaxtyping import Float
from torch import Tensor

from dream3d.types import Render


def center_depth(
    render: Render, share: float = 50 / 64, background: float = 10.0, eps: float = 1e-6
) -> Float[Tensor, ""]:
    """``sign(x) log(|x| + eps)`` with x = mean depth inside the central box - mean depth outside it.

    SJC (arXiv 2212.00774) writes -log(x), undefined for the desired x < 0; this form
    has the intended gradient, 1 / |x| > 0, on both sides. ``share`` is the box's part of each side;
    transparent pixels have the depth ``background``.
    """
    depth = render.depth + (1 - render.image.alpha) * background
    _, h, w, _ = depth.shape
    top, left = round(h * (1 - share) / 2), round(w * (1 - share) / 2)
    inside = depth[:, top : h - top, left : w - left]
    outside = depth[0, :, :, 0].numel() - inside[0].numel()
    if inside.numel() == 0 or outside == 0:
        raise ValueError(f"center_depth: got share {share} of {h}x{w} pixels, expected both box and border")
    border = (depth.sum() - inside.sum()) / (outside * len(depth))
    x = inside.mean() - border
    return x.sign() * (x.abs() + eps).log()
