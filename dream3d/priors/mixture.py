"""A prior with several modes and an exact score: a mixture of equal Gaussians, or of points (std 0).

Here mode seeking (SDS) and distribution matching (VSD) differ; ``scripts/figure_modes.py`` draws it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from dream3d.priors.gaussian import cosine_alpha_bar
from dream3d.types import Conditioning, Image, NoisePrediction


def mixture_eps(
    x_t: Float[Tensor, "b *d"],
    alpha_bar: Float[Tensor, " b"],
    modes: Float[Tensor, "b k *d"],
    std: float,
    shares: Float[Tensor, " k"] | None = None,
) -> Float[Tensor, "b *d"]:
    """``E[noise | x_t]`` for ``sum_k share_k N(m_k, std^2 I)``; equal shares where none are given.

    It is the Gaussian's formula with the mean of the modes under their posterior given x_t,
    ``softmax_k(log share_k - ||x_t - alpha m_k||^2 / (2 variance))``.
    """
    abar = alpha_bar.to(x_t)[:, None]
    flat, centres = x_t.flatten(1), modes.flatten(2)
    variance = (abar * std**2 + 1 - abar).clamp(min=1e-12)
    distance = (flat[:, None] - abar.sqrt()[..., None] * centres).square().sum(-1)
    logits = -distance / (2 * variance)
    if shares is not None:
        logits = logits + shares.to(logits).log()
    mean = torch.einsum("bk,bkd->bd", logits.softmax(dim=1), centres)
    eps = (1 - abar).sqrt() * (flat - abar.sqrt() * mean) / variance
    return eps.view_as(x_t)


@dataclass
class Mixture:
    """ScoreModel of a mixture per prompt; the embedding of a prompt is its modes (shape k d).

    Any tensor shaped (b, k, *d) is a valid embedding. ``modes`` must hold the null prompt "" too.
    ``shares`` are the modes' probabilities, for all prompts alike.
    """

    modes: Mapping[str, Tensor]
    std: float
    shares: Float[Tensor, " k"] | None = None
    alpha_bar: Float[Tensor, " T"] = field(default_factory=cosine_alpha_bar)
    resolution: int = 1

    def embed(self, prompts: list[str]) -> Float[Tensor, "b k ..."]:
        """The modes. Raises ValueError for a prompt that has none."""
        for prompt in prompts:
            if prompt not in self.modes:
                raise ValueError(f"prompt: got '{prompt}', expected one of {sorted(self.modes)}")
        return torch.stack([self.modes[prompt] for prompt in prompts])

    def encode(
        self, image: Image, background: Float[Tensor, "#b #h #w 3"], generator: Generator | None = None
    ) -> Float[Tensor, "b 3 h w"]:
        """The image over the background, channels first."""
        return image.over(background).permute(0, 3, 1, 2)

    def eps(self, x_t: Float[Tensor, "b *d"], t: Int[Tensor, " b"], text: Conditioning) -> NoisePrediction:
        """Exact predictions for cond, null and the negatives."""
        abar = self.alpha_bar[t]
        cond, null = (mixture_eps(x_t, abar, m, self.std, self.shares) for m in (text.cond, text.null))
        if text.negatives is None:
            return NoisePrediction(cond, null)
        k = text.negatives.shape[1]
        away = [mixture_eps(x_t, abar, text.negatives[:, i], self.std, self.shares) for i in range(k)]
        return NoisePrediction(cond, null, negatives=torch.stack(away, dim=1), weights=text.weights)
