"""Cut the object out of a picture without alpha: colour models of border and middle, then random walks.

As in GrabCut (Rother et al. 2004) two Gaussian mixtures in CIELAB say how likely each pixel is background or object,
and are fitted again to what they found; in place of the graph cut, Grady's random walker (2006) joins the pixels that
they are sure of. What is near the middle of the picture, and not like its border, is the object.
"""

import importlib
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.cluster.vq import kmeans2
from scipy.ndimage import binary_fill_holes
from skimage.color import rgb2lab
from skimage.filters import gaussian
from skimage.measure import label
from skimage.segmentation import random_walker
from torch import Tensor

from dream3d.errors import UserError

EDGE = 160  # pixels along the longer side of what is worked on
BORDER = 0.04  # width of the border that is taken as background
COMPONENTS, ROUNDS = 4, 3
SURE = 0.9  # of a posterior, from which a pixel is a seed
LEAST = 0.005  # smallest fraction of the image that an object covers
NOISE = 4.0  # variance added to every component, in squared units of CIELAB


def cut_out(colour: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w"]:
    """Soft alpha of the object, by its colours alone.

    Raises:
        UserError: nothing differs from the border.
    """
    h, w, _ = colour.shape
    small = resized(colour.permute(2, 0, 1), max(1, round(h * min(1, EDGE / max(h, w)))),
                    max(1, round(w * min(1, EDGE / max(h, w)))))  # fmt: skip
    lab: NDArray[np.float64] = gaussian(rgb2lab(small.permute(1, 2, 0).double().numpy()), 0.8, channel_axis=-1)
    shape = small.shape[1], small.shape[2]
    border = frame(shape)
    prior = 0.05 + 0.9 * middle(shape)
    inside = object_by_border(lab, border)
    for _ in range(ROUNDS):
        if not LEAST < inside.mean() < 0.97:
            raise UserError(
                "image: got a picture in which nothing stands out from its border; give image.mask= or a PNG with alpha"
            )
        odds = log_density(lab, lab[inside]) - log_density(lab, lab[~inside]) + np.log(prior / (1 - prior))
        posterior = 1 / (1 + np.exp(-odds.clip(-30, 30)))
        alpha = walked(lab, posterior, border)
        inside = largest(alpha > 0.5)
    filled: NDArray[np.bool_] = np.asarray(binary_fill_holes(inside))
    alpha = np.where(filled & ~inside, 1.0, alpha) * grown(filled)
    found = resized(torch.from_numpy(alpha.astype(np.float32))[None], h, w)[0]
    return found.clamp(0, 1)


def frame(shape: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """The border's pixels."""
    width = max(1, round(BORDER * min(shape)))
    mask = np.ones(shape, dtype=bool)
    mask[width:-width, width:-width] = False
    return mask


def middle(shape: tuple[int, int]) -> NDArray[np.float64]:
    """1 in the middle, falling to 0 towards the corners."""
    y, x = (np.linspace(-1, 1, n) for n in shape)
    return np.exp(-1.5 * (y[:, None] ** 2 + x[None] ** 2))


def object_by_border(lab: NDArray[np.float64], border: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A first guess: what is unlikely under the border's colours; clusters of few of its pixels, which may be the
    object reaching the border, are left out."""
    unlikely = -log_density(lab, lab[border], least=0.08)
    typical = np.quantile(unlikely[border], 0.9)
    return largest((unlikely > typical + 5.0) & ~border)


def log_density(lab: NDArray[np.float64], sample: NDArray[np.float64], least: float = 0.0) -> NDArray[np.float64]:
    """Log density at every pixel of a Gaussian mixture: k-means clusters of the sample."""
    clusters = min(COMPONENTS, len(np.unique(sample.round(3), axis=0)))
    kmeans: Any = kmeans2  # its decorator hides ``seed`` from type checkers
    _, which = kmeans(sample, clusters, seed=0, minit="++") if clusters > 1 else (None, np.zeros(len(sample)))
    total = np.full(lab.shape[:2], -1e9)
    for k in range(clusters):
        members = sample[which == k]
        if len(members) == 0 or len(members) < least * len(sample):
            continue
        covariance = (np.cov(members.T) if len(members) > 3 else np.zeros((3, 3))) + NOISE * np.eye(3)
        away = lab - members.mean(0)
        square = np.einsum("hwi,ij,hwj->hw", away, np.linalg.inv(covariance), away)
        log = np.log(len(members) / len(sample)) - 0.5 * (square + np.log(np.linalg.det(covariance)))
        total = np.logaddexp(total, log)
    return total


def walked(lab: NDArray[np.float64], posterior: NDArray[np.float64], border: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Each pixel's probability that a random walk from it meets an object pixel first; walks avoid edges."""
    seeds = np.zeros(posterior.shape, dtype=np.int32)
    seeds[posterior > SURE] = 2
    seeds[(posterior < 1 - SURE) | (border & (posterior < SURE))] = 1
    if not (seeds == 0).any() or not (seeds == 1).any() or not (seeds == 2).any():
        return (posterior > 0.5).astype(np.float64)
    data = (lab - lab.mean((0, 1))) / max(float(lab.std()), 1e-6)
    chances: Any = random_walker(data, seeds, beta=60, mode="cg_j", tol=1e-4, channel_axis=-1, return_full_prob=True)
    return chances[1].clip(0, 1)


def largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest piece, and others of at least a tenth of it."""
    labels: Any = label(mask, connectivity=1)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    keep = np.flatnonzero(sizes >= 0.1 * max(1, sizes.max()))
    return np.isin(labels, keep[keep > 0])


def grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """With the pixels beside it, whose alpha is between."""
    padded = np.pad(mask, 1)
    return padded[1:-1, 1:-1] | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]


def resized(pixels: Float[Tensor, "c h w"], h: int, w: int) -> Float[Tensor, "c y x"]:
    """Area averages when smaller, bilinear when larger."""
    if pixels.shape[-1] >= w:
        return torch.nn.functional.interpolate(pixels[None], size=(h, w), mode="area")[0]
    return torch.nn.functional.interpolate(pixels[None], size=(h, w), mode="bilinear")[0]


def by_rembg(colour: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w"]:
    """Alpha by the optional package rembg and its network. Raises UserError where it is not installed."""
    try:
        rembg: Any = importlib.import_module("rembg")
    except ImportError as error:
        raise UserError("image.background: got rembg, which is not installed; pip install rembg or use auto") from error
    picture = Pillow.fromarray((colour * 255).round().byte().numpy())
    return torch.from_numpy(np.asarray(rembg.remove(picture))[..., 3].astype(np.float32) / 255)
