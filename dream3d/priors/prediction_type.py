"""What a network can predict (noise, v, clean sample, flow), and how each is read as noise.

With ``x_t = alpha x + sigma n``, ``alpha^2 = alpha_bar``, ``sigma^2 = 1 - alpha_bar``:

==================  ==========================  =========================  =======================
prediction          what the network returns    as noise                   as clean sample
==================  ==========================  =========================  =======================
epsilon             n                           out                        (x_t - sigma out) / alpha
v_prediction        alpha n - sigma x           alpha out + sigma x_t      alpha x_t - sigma out
sample              x                           (x_t - alpha out) / sigma  out
flow_prediction     n - x                       k (x_t + alpha out)        k (x_t - sigma out)
==================  ==========================  =========================  =======================

(v: arXiv 2202.00512.) Rectified flow (arXiv 2209.03003; SD 3, arXiv 2403.03206) noises by
``x_s = (1 - s) x + s n``. Dividing by ``sqrt((1-s)^2 + s^2)`` gives an ``x_t`` as above with

    alpha_bar = (1-s)^2 / ((1-s)^2 + s^2),   so  s = sigma / (alpha + sigma)  and  x_s = k x_t,
    k = 1 / (alpha + sigma);   n = x_s + (1-s) out,   x = x_s - s out.

The adapter hands such a network ``k x_t``; nobody else needs to know that it is a flow.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.errors import UserError
from dream3d.priors.parts import Component, by_name

Prediction = Literal["epsilon", "v_prediction", "sample", "flow_prediction"]
PREDICTIONS: tuple[str, ...] = get_args(Prediction)


def flow_alpha_bar(s: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The variance-preserving alpha_bar of the rectified-flow time s in (0, 1]."""
    return (1 - s) ** 2 / ((1 - s) ** 2 + s**2)


def flow_scale(alpha: Float[Tensor, "*n"], sigma: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """k with ``x_s = k x_t``."""
    return 1 / (alpha + sigma)


def to_eps(
    prediction: Prediction,
    out: Float[Tensor, "b *d"],
    x_t: Float[Tensor, "b *d"],
    alpha: Float[Tensor, "b ..."],
    sigma: Float[Tensor, "b ..."],
) -> Float[Tensor, "b *d"]:
    """The network's output as a noise prediction (table above)."""
    if prediction == "v_prediction":
        return alpha * out + sigma * x_t
    if prediction == "sample":
        return (x_t - alpha * out) / sigma
    if prediction == "flow_prediction":
        return flow_scale(alpha, sigma) * (x_t + alpha * out)
    return out


def to_x0(
    prediction: Prediction,
    out: Float[Tensor, "b *d"],
    x_t: Float[Tensor, "b *d"],
    alpha: Float[Tensor, "b ..."],
    sigma: Float[Tensor, "b ..."],
) -> Float[Tensor, "b *d"]:
    """The network's output as a clean sample (table above)."""
    if prediction == "v_prediction":
        return alpha * x_t - sigma * out
    if prediction == "sample":
        return out
    if prediction == "flow_prediction":
        return flow_scale(alpha, sigma) * (x_t - sigma * out)
    return (x_t - sigma * out) / alpha


def target(
    prediction: Prediction,
    x: Float[Tensor, "b *d"],
    noise: Float[Tensor, "b *d"],
    alpha: Float[Tensor, "b ..."],
    sigma: Float[Tensor, "b ..."],
) -> Float[Tensor, "b *d"]:
    """What a network of this kind is trained to return."""
    if prediction == "v_prediction":
        return alpha * noise - sigma * x
    if prediction == "sample":
        return x
    if prediction == "flow_prediction":
        return noise - x
    return noise


def schedule(
    scheduler: Component, steps: int | None = None
) -> tuple[Float[Tensor, " T"], Float[Tensor, " T"], Prediction]:
    """``(alpha_bar, timesteps, prediction)`` of a diffusers scheduler; ``steps`` is that of ``subsample_timesteps``.

    ``timesteps[t]`` is what the network is told for index t: t itself, or 1000 s for flows, whose s
    are the scheduler's own sigmas (its ``shift`` included), ascending.

    Raises:
        ValueError: the scheduler has neither ``alphas_cumprod`` nor flow sigmas, or predicts
            something unknown.
    """
    config, alpha_bar = by_name(scheduler, "config") or {}, by_name(scheduler, "alphas_cumprod")
    if isinstance(alpha_bar, Tensor):
        prediction = config.get("prediction_type", "epsilon")
        if prediction not in PREDICTIONS:
            raise ValueError(f"scheduler: got prediction_type '{prediction}', expected one of {PREDICTIONS}")
        return *subsample_timesteps(alpha_bar.float(), torch.arange(len(alpha_bar)).float(), steps), prediction
    if type(scheduler).__name__.startswith("FlowMatch"):
        s = torch.as_tensor(scheduler.sigmas, dtype=torch.float64).flip(0)
        s = s[s > 0]
        total = config.get("num_train_timesteps", 1000)
        return *subsample_timesteps(flow_alpha_bar(s).float(), (s * total).float(), steps), "flow_prediction"
    raise ValueError(
        f"scheduler: got {type(scheduler).__name__}, expected one with alphas_cumprod or a FlowMatch one; "
        "use a text-to-image folder as diffusers saves it"
    )


def subsample_timesteps(
    alpha_bar: Float[Tensor, " T"], timesteps: Float[Tensor, " T"], steps: int | None
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """The schedule at the last of each of ``steps`` equal parts alone: T becomes ``steps`` (None: all of it).

    What a model knows that was distilled to few steps: 50 of LCM (arXiv 2310.04378, Sec. 4.3: every
    20th), 4 of SDXL Turbo (arXiv 2311.17042, Sec. 3.2) and FLUX schnell.

    Raises:
        UserError: ``steps`` does not divide T.
    """
    if steps is None:
        return alpha_bar, timesteps
    total = len(alpha_bar)
    if steps < 1 or total % steps:
        raise UserError(f"prior.steps: got {steps}, expected a number that divides {total}, such as 4 or 50")
    part = total // steps
    return alpha_bar[part - 1 :: part], timesteps[part - 1 :: part]


def hints(scheduler: object, steps: int | None) -> list[str]:
    """What to say of a few-step model that is used at all timesteps."""
    if steps is None and type(scheduler).__name__ == "LCMScheduler":
        return ["a latent consistency model knows 50 timesteps; use prior.steps=50, and a small guidance scale"]
    return []
