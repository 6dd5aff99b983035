"""Rendered views in memory, and training batches drawn from them.

A batch item is a caption, a camera and *all* pictures that fit both (one a model), the most typical model
first: it has most of the probability p_k, so that "a car" has one clear answer and others remain possible.
One of them is noised; the target is the exact posterior mean over all of them,

    x0_hat = sum_k w_k x_k,   w = softmax_k(log p_k - |x_t - alpha x_k|^2 / (2 sigma^2)),

which has the same minimiser as the usual target and far less variance at high noise.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.priors.mini.captions import COLOURS, compose

TYPICAL = 0.7  # probability of the most typical of several models


@dataclass(frozen=True)
class Batch:
    """``x_t``, target and most ``typical`` picture, in [-1, 1]; captions and cameras (empty: dropped)."""

    x_t: Float[Tensor, "b 4 h w"]
    x0: Float[Tensor, "b 4 h w"]
    typical: Float[Tensor, "b 4 h w"]
    t: Int[Tensor, " b"]
    camera: Float[Tensor, "b 17"]
    captions: list[str]


def recoloured(views: np.ndarray, colour: str | None, recolor: np.ndarray) -> np.ndarray:
    """Views (k h w 8, uint8) as RGBA floats, the tintable part in another colour where ``recolor``."""
    pixels = views.astype(np.float32) / 255
    rgba = pixels[..., :4].copy()
    if colour is not None and recolor.any():
        target = np.array(COLOURS[colour], dtype=np.float32) / 255
        tinted = rgba[..., :3] - pixels[..., 4:7] + target * (2 * pixels[..., 7:8])
        mask = recolor[:, None, None, None]
        rgba[..., :3] = np.where(mask, np.clip(tinted, 0, rgba[..., 3:]), rgba[..., :3])
    return rgba


def mirrored(camera: np.ndarray) -> np.ndarray:
    """The camera that sees the mirror image (x -> -x) of the world as a mirrored picture.

    With S = diag(-1, 1, 1): R' = S R S and o' = S o; the field of view stays.
    """
    c2w = camera[:16].reshape(4, 4).copy()
    flip = np.diag([-1.0, 1.0, 1.0, 1.0]).astype(np.float32)
    return np.concatenate(((flip @ c2w @ flip).ravel(), camera[16:])).astype(np.float32)


def probabilities(count: int) -> Float[Tensor, " k"]:
    """``TYPICAL`` for the first model, equal shares of the rest for the others."""
    if count == 1:
        return torch.ones(1)
    return torch.tensor([TYPICAL] + [(1 - TYPICAL) / (count - 1)] * (count - 1))


def posterior_mean(
    x_t: Float[Tensor, "d"],
    candidates: Float[Tensor, "k d"],
    p: Float[Tensor, " k"],
    alpha: float,
    sigma: float,
) -> Float[Tensor, "d"]:
    """E[x0 | x_t] when x0 is one of the candidates, with probabilities ``p``."""
    distance = (x_t - alpha * candidates).square().sum(-1)
    return torch.softmax(p.log() - distance / (2 * sigma**2), dim=0) @ candidates


class Views:
    """All rounds of a folder of rendered views (scripts/render_views.py)."""

    def __init__(self, folder: Path, first: int = 0, last: int = 899) -> None:
        files = [f for f in sorted(folder.glob("views-???.npz")) if first <= int(f.stem[6:]) <= last]
        if not files:
            raise FileNotFoundError(f"no views-NNN.npz in {folder}; make them with scripts/render_views.py")
        self.cards: list[dict[str, Any]] = json.loads((folder / "assets.json").read_text())
        rounds = [dict(np.load(f)) for f in files]
        self.views = [r["views"] for r in rounds]
        self.cameras = [r["camera"] for r in rounds]
        self.rows: dict[str, list[tuple[int, int, np.ndarray]]] = {}  # concept -> (round, group, rows)
        for number, piece in enumerate(rounds):
            order = np.argsort(piece["group"], kind="stable")
            starts = np.flatnonzero(np.diff(piece["group"][order], prepend=-1))
            for rows in np.split(order, starts[1:]):
                concept = self.cards[piece["asset"][rows[0]]]["concept"]
                self.rows.setdefault(concept, []).append((number, int(piece["group"][rows[0]]), rows))
        self.assets = [r["asset"] for r in rounds]
        self.concepts = list(self.rows)
        weights = {card["concept"]: card["weight"] for card in self.cards}
        self.share = np.array([weights[c] for c in self.concepts], dtype=np.float64)
        self.share /= self.share.sum()

    def draw(self, rng: np.random.Generator) -> tuple[str, np.ndarray, np.ndarray]:
        """A caption, the pictures it fits (k h w 4, one camera), that camera (17)."""
        concept = self.concepts[rng.choice(len(self.concepts), p=self.share)]
        number, group, rows = self.rows[concept][rng.integers(len(self.rows[concept]))]
        cards = [self.cards[a] for a in self.assets[number][rows]]
        caption, colour, fitting = compose(cards, rng)
        recolor = np.array([bool(cards[i]["recolor"]) for i in fitting])
        pictures = recoloured(self.views[number][rows[fitting]], colour, recolor)
        camera = self.cameras[number][group]
        if rng.random() < 0.5:
            pictures, camera = pictures[:, :, ::-1], mirrored(camera)
        return caption, pictures, camera

    def batch(self, size: int, alpha_bar: Float[Tensor, " T"], seed: tuple[int, int], drop: float = 0.1) -> Batch:
        """A training batch; ``drop`` is the chance to lose the text, and likewise the camera."""
        rng = np.random.default_rng(seed)
        t = torch.from_numpy(((np.arange(size) + rng.random(size)) / size * len(alpha_bar)).astype(np.int64))
        x_t, x0, typical, cameras, captions = [], [], [], [], []
        for i in range(size):
            caption, pictures, camera = self.draw(rng)
            candidates = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2) * 2 - 1
            p = probabilities(len(candidates))
            chosen = candidates[int(rng.choice(len(p), p=p.double().numpy() / float(p.double().sum())))]
            alpha, sigma = float(alpha_bar[t[i]].sqrt()), float((1 - alpha_bar[t[i]]).sqrt())
            noise = torch.from_numpy(rng.standard_normal(chosen.shape, dtype=np.float32))
            noisy = alpha * chosen + sigma * noise
            x_t.append(noisy)
            typical.append(candidates[0])
            x0.append(posterior_mean(noisy.flatten(), candidates.flatten(1), p, alpha, sigma).view_as(chosen))
            cameras.append(torch.from_numpy(camera * (rng.random() >= drop)).float())
            captions.append("" if rng.random() < drop else caption)
        return Batch(torch.stack(x_t), torch.stack(x0), torch.stack(typical), t, torch.stack(cameras), captions)
