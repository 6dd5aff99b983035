"""A prior in closed form: data N(m, std^2 I), m being the prompt's embedding.

With it the expectation of every distillation gradient is known in closed form, which is how the
losses are tested; it also serves to try a loss without a network.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from dream3d.types import Conditioning, Image, NoisePrediction


def cosine_alpha_bar(timesteps: int = 1000) -> Float[Tensor, " T"]:
    """``cos^2(pi/2 u)`` at u = (t + 1/2) / T, float64: the cosine schedule of arXiv 2102.09672."""
    u = (torch.arange(timesteps, dtype=torch.float64) + 0.5) / timesteps
    return torch.cos(torch.pi / 2 * u).square()


def gaussian_eps(
    x_t: Float[Tensor, "b *d"],
    alpha_bar: Float[Tensor, " b"],
    mean: Float[Tensor, "b *d"],
    std: float,
) -> Float[Tensor, "b *d"]:
    """``E[noise | x_t] = sigma (x_t - alpha m) / (alpha^2 std^2 + sigma^2)``."""
    abar = alpha_bar.to(x_t).view(-1, *(1,) * (x_t.ndim - 1))
    variance = abar * std**2 + (1 - abar)
    return (1 - abar).sqrt() * (x_t - abar.sqrt() * mean) / variance


@dataclass
class Gaussian:
    """ScoreModel of N(means[prompt], std^2 I); the embedding of a prompt is its mean (shape d).

    Any tensor shaped (b, *d) is a valid embedding. ``means`` must hold the null prompt "" too.
    """

    means: Mapping[str, Tensor]
    std: float
    alpha_bar: Float[Tensor, " T"] = field(default_factory=cosine_alpha_bar)
    resolution: int = 1

    def embed(self, prompts: list[str]) -> Float[Tensor, "b ..."]:
        """The means. Raises ValueError for a prompt that has none."""
        for prompt in prompts:
            if prompt not in self.means:
                raise ValueError(f"prompt: got '{prompt}', expected one of {sorted(self.means)}")
        return torch.stack([self.means[prompt] for prompt in prompts])

    def encode(
        self, image: Image, background: Float[Tensor, "#b #h #w 3"], generator: Generator | None = None
    ) -> Float[Tensor, "b 3 h w"]:
        """The image over the background, channels first."""
        return image.over(background).permute(0, 3, 1, 2)

    def eps(self, x_t: Float[Tensor, "b *d"], t: Int[Tensor, " b"], text: Conditioning) -> NoisePrediction:
        """Exact predictions for cond, null and the negatives."""
        abar = self.alpha_bar[t]
        predict = [gaussian_eps(x_t, abar, mean, self.std) for mean in (text.cond, text.null)]
        if text.negatives is None:
            return NoisePrediction(*predict)
        k = text.negatives.shape[1]
        away = [gaussian_eps(x_t, abar, text.negatives[:, i], self.std) for i in range(k)]
        return NoisePrediction(*predict, negatives=torch.stack(away, dim=1), weights=text.weights)
