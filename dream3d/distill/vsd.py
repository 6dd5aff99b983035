"""Variational score distillation: ProlificDreamer, arXiv 2305.16213."""

import math
from dataclasses import replace
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import q_sample
from dream3d.distill.guidance import guided_eps
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


@runtime_checkable
class StudentScore(Protocol):
    """Predicts the noise in noised renders of the particles; ``priors/lora.py`` trains one."""

    def eps(self, x_t: Float[Tensor, "b *d"], t: Int[Tensor, " b"], text: Conditioning) -> Float[Tensor, "b *d"]:
        """Noise prediction, without gradient."""
        ...


def vsd(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    student: StudentScore,
    scale: float,
    weight: Weight,
    student_scale: float = 1.0,
    clip: float = math.inf,
) -> Distilled:
    """VSD, arXiv 2305.16213:

        grad = w(t) (eps_hat(x_t; y, t) - eps_student(x_t; y, c, t)).

    SDS with the noise replaced by its prediction from the particles' own distribution: 0 where that
    equals the prior's, SDS where that is the point x itself. ``clip`` is that of ``sds``.

    ``student_scale`` is classifier-free guidance of the student on the camera c, from dropped (0) to given (1, VSD).
    Less than 1 is ESD, arXiv 2401.00909: the camera-independent part is the score of all views together, whose
    entropy is then rewarded, against the Janus problem. It takes a second call of the student.
    """
    x_t = q_sample(x, t, noise, prior.alpha_bar)
    eps_hat = guided_eps(prior, x_t, t, text, scale)
    eps_student = student.eps(x_t, t, text)
    if student_scale != 1:
        hidden = student.eps(x_t, t, replace(text, camera=None))
        eps_student = hidden + student_scale * (eps_student - hidden)
    grad = weigh(eps_hat - eps_student, weight, prior.alpha_bar, t)
    return distilled(x, grad.clamp(-clip, clip))
