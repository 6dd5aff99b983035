"""Recognises failed scenes (empty, solid, saturated, hazy) and suggests what to try."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from dream3d.types import Image

EMPTY, SOLID, SATURATED = 0.003, 0.97, 0.9
FOGGY = 0.7
"""Between what was measured of finished objects, 0.11 to 0.23 (two default runs of a corgi, a castle, a corgi and a car
from the prior's shape), and of the fog that a corgi is after 6 and 20 of 300 steps, 1.00 and 0.997."""


def verdict(image: Image) -> str | None:
    """What is wrong with these views of the scene (b h w), in one sentence; None if nothing is.

    empty: mean alpha below 0.3 %; solid: the frame's border is opaque; saturated: more than
    90 % of the object's colour channels lie within 2 % of 0 or 1.
    """
    alpha = image.alpha[..., 0]
    if float(alpha.mean()) < EMPTY:
        return (
            "the scene is empty: all density has vanished; try a lower distill.loss.scale, a lower "
            "optimizer.lr, another seed, or a prompt the prior knows"
        )
    border = (alpha[:, 0].mean() + alpha[:, -1].mean() + alpha[:, :, 0].mean() + alpha[:, :, -1].mean()) / 4
    if float(border) > SOLID:
        return (
            "the scene is solid: density fills the whole ball; try regularize=dreamfusion, a lower initial "
            "density (field.initial) or another seed"
        )
    if float(chroma(image.colour, alpha)) > SATURATED:
        return "the colours are saturated: nearly all are at 0 or 1; try a lower distill.loss.scale"
    return None


def foggy(image: Image) -> str | None:
    """The warning for a final scene without surfaces: more than 70 % of the pixels that show it are semi-transparent
    (alpha in 0.05 to 0.95). During optimisation that is normal: scenes start as haze."""
    alpha = image.alpha[..., 0]
    shown = alpha > 0.05
    half = (shown & (alpha < 0.95)).sum() / shown.sum().clamp(min=1)
    if float(half) <= FOGGY:
        return None
    return (
        f"the scene is hazy: {float(half):.0%} of it is semi-transparent, so its mesh will be fragmented and take "
        "long; try more steps, regularize.entropy.weight=1 or a larger distill.loss.scale"
    )


def chroma(colour: Float[Tensor, "b h w c"], alpha: Float[Tensor, "b h w"]) -> Float[Tensor, ""]:
    """Fraction of the object's colour channels within 2 % of 0 or 1 (0 if nothing is opaque)."""
    opaque = alpha > 0.5
    plain = colour[opaque] / alpha[opaque][:, None]
    if plain.numel() == 0:
        return alpha.new_zeros(())
    return ((plain < 0.02) | (plain > 0.98)).float().mean()


@dataclass
class Watchdog:
    """Collects each distinct warning once, in order."""

    warnings: list[str] = field(default_factory=list)

    def look(self, image: Image, step: int, last: bool = False) -> list[str]:
        """New warnings about these views; about haze only at the ``last`` step."""
        found = [verdict(image), foggy(image) if last else None]
        fresh = [f"step {step}: {v}" for v in found if v and not any(v in said for said in self.warnings)]
        self.warnings += fresh
        return fresh

    def extend(self, messages: Iterable[str]) -> None:
        """Warnings from elsewhere (unknown words, fallbacks)."""
        self.warnings.extend(m for m in messages if m not in self.warnings)
