"""Text conditioning for a batch of cameras: view-dependent prompts, negative prompts, Perp-Neg, cached embeddings."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.cameras import flatten
from dream3d.contracts import camera_conditioned
from dream3d.errors import UserError
from dream3d.types import Camera, Conditioning, ScoreModel

FRONT, SIDE, BACK, OVERHEAD = range(4)
Decay = Sequence[float]
"""(a, b, c) of ``a exp(-b r) + c``."""


def from_front(camera: Camera) -> Float[Tensor, " v"]:
    """Angle of each camera from the front, in degrees: 0 front, 90 either side, 180 back."""
    wrapped = torch.remainder(camera.azimuth + math.pi, 2 * math.pi) - math.pi
    return torch.rad2deg(wrapped).abs()


@dataclass(frozen=True)
class ViewDependentPrompts:
    """View-dependent prompts (DreamFusion, arXiv 2209.14988, Sec. 3.2). ``{}`` stands for the prompt.

    Front is within ``front_within`` degrees of azimuth 0 (to either side), back within ``back_within``
    of 180, overhead above ``overhead_above`` degrees of elevation; side is the rest. 180 is never
    above: it switches overhead off. With ``interpolate`` the embeddings of front, side and back are
    mixed linearly in azimuth instead (``blend``), and only overhead stays a threshold.

    Raises ValueError for a template without ``{}`` or thresholds that overlap.
    """

    front: str = "{}, front view"
    side: str = "{}, side view"
    back: str = "{}, back view"
    overhead: str = "{}, overhead view"
    front_within: float = 45.0
    back_within: float = 45.0
    overhead_above: float = 60.0
    interpolate: bool = False

    def __post_init__(self) -> None:
        views = {"front": self.front, "side": self.side, "back": self.back, "overhead": self.overhead}
        for name, words in views.items():
            if "{}" not in words:
                raise ValueError(f"views.{name}: got '{words}', expected {{}} where the prompt goes")
        if min(self.front_within, self.back_within) < 0 or self.front_within + self.back_within > 180:
            raise ValueError(
                f"views: got front_within {self.front_within}, back_within {self.back_within} degrees; "
                "expected both >= 0 and their sum <= 180"
            )

    def prompts(self, prompt: str) -> list[str]:
        """The four texts, in the order front, side, back, overhead."""
        return [template.replace("{}", prompt) for template in (self.front, self.side, self.back, self.overhead)]

    def facing(self, camera: Camera) -> Int[Tensor, " v"]:
        """Index of the text for each view."""
        angle = from_front(camera)
        facing = torch.where(angle < self.front_within, FRONT, SIDE)
        facing = torch.where(angle > 180 - self.back_within, BACK, facing)
        return torch.where(torch.rad2deg(camera.elevation) > self.overhead_above, OVERHEAD, facing)

    def blend(self, camera: Camera) -> Float[Tensor, "v 4"]:
        """Weights of the four texts; a = |azimuth| / 90: front (1 - a)+, back (a - 1)+, side the rest."""
        a = from_front(camera) / 90
        front, back = (1 - a).clamp(min=0), (a - 1).clamp(min=0)
        shares = torch.stack((front, 1 - front - back, back, torch.zeros_like(a)), dim=1)
        above = torch.rad2deg(camera.elevation) > self.overhead_above
        return torch.where(above[:, None], torch.tensor([0.0, 0.0, 0.0, 1.0]).to(shares), shares)


@dataclass(frozen=True)
class PerpNeg:
    """Perp-Neg (arXiv 2304.04968): prompts of the other views as negatives, weighted by how far off they are.

    The weight at r is ``-f(r)`` with ``f(r) = a exp(-b r) + c``; each (a, b, c) is set so that f
    vanishes where the negative text is right. In front (r = 1 - |azimuth| / 90, 1 at the front) the
    negatives are front with f_fs(r) and side with f_sf(1 - r); behind (r = 2 - |azimuth| / 90, 1 at
    the side) they are side with f_sb(r) and front with f_fsb(r). From overhead the weights are 0.
    The condition is always the interpolated one (``ViewDependentPrompts.blend``). Constants are threestudio's.
    """

    f_fs: Decay = (4.0, 0.5, -2.426)
    f_sf: Decay = (4.0, 0.5, -2.426)
    f_sb: Decay = (1.0, 0.5, -0.606)
    f_fsb: Decay = (1.0, 0.5, 0.967)

    def negatives(self, camera: Camera, views: ViewDependentPrompts) -> tuple[Int[Tensor, "v 2"], Float[Tensor, "v 2"]]:
        """(which texts, their weights <= 0) of each view."""
        angle = from_front(camera) / 90
        ahead = (angle < 1)[:, None]
        texts = torch.where(
            ahead, torch.tensor([FRONT, SIDE]).to(angle.device), torch.tensor([SIDE, FRONT]).to(angle.device)
        )
        near = torch.stack((decay(self.f_fs, 1 - angle), decay(self.f_sf, angle)), dim=1)
        far = torch.stack((decay(self.f_sb, 2 - angle), decay(self.f_fsb, 2 - angle)), dim=1)
        above = (torch.rad2deg(camera.elevation) > views.overhead_above)[:, None]
        weights = torch.where(ahead, near, far).masked_fill(above, 0)
        return texts, -weights


def decay(f: Decay, r: Float[Tensor, " v"]) -> Float[Tensor, " v"]:
    """``a exp(-b r) + c``."""
    a, b, c = f
    return a * torch.exp(-b * r) + c


class PromptEmbeddings:
    """Every text a run needs, embedded once; called with cameras it gives their ``Conditioning``.

    Cameras should be on the CPU: the computations on them are small, and only the result is moved to the device.

    Args:
        prior: embeds the texts. A camera-conditioned one (``contracts.CameraConditioned``) gets the
            plain prompt for every view, and neither view-dependent prompts nor Perp-Neg.
        prompt, negative: the prompt, and the negative prompt, which replaces the empty null prompt.
        views: the view-dependent prompts, None for the plain prompt everywhere.
        perp_neg: None for off; needs ``views``.
        contrast: CSD's negative prompt or SDS-Bridge's source prompt (``Conditioning.contrast``).
        debias: a prompt for each of the four views in place of one for all (``priors/addons/debias.py``).

    ``notes`` lists what was changed. Raises:
        UserError: the prompt is empty, or ``perp_neg`` or ``debias`` comes without ``views``.
    """

    def __init__(
        self,
        prior: ScoreModel,
        prompt: str,
        negative: str = "",
        views: ViewDependentPrompts | None = None,
        *,
        perp_neg: PerpNeg | None = None,
        contrast: str | None = None,
        debias: Callable[[str], list[str]] | None = None,
    ) -> None:
        if not prompt.strip():
            raise UserError('prompt: got an empty text, expected a description; use prompt="a corgi"')
        if perp_neg is not None and views is None:
            raise UserError("prompts.perp_neg needs prompts.views: got null; use prompts=perp_neg")
        if debias is not None and views is None:
            raise UserError("prompts.debias needs prompts.views: got null; use prompts=debiased")
        self.views, self.perp_neg = (None, None) if camera_conditioned(prior) else (views, perp_neg)
        self.prompts, self.notes = [prompt], []
        if self.views is not None:
            told_views = [prompt] * 4 if debias is None else debias(prompt)
            self.prompts = [*(self.views.prompts(one)[i] for i, one in enumerate(told_views)), prompt]
            if debias is not None:
                self.notes = [f"debiased prompts: {'; '.join(self.prompts[:4])}"]
        texts = [*self.prompts, negative, *([] if contrast is None else [contrast])]
        embedded = prior.embed(texts)
        self.texts, self.null = embedded[: len(self.prompts)], embedded[len(self.prompts)]
        self.contrast = None if contrast is None else embedded[-1]

    def __call__(self, camera: Camera) -> Conditioning:
        """One row a view."""
        v = len(camera)
        null, contrast = self._repeated(self.null, v), None
        if self.contrast is not None:
            contrast = self._repeated(self.contrast, v)
        plain = self._repeated(self.texts[-1], v)
        told = flatten(camera).to(self.texts.device, non_blocking=True)
        if self.views is None:
            return Conditioning(plain, null, told, contrast=contrast)
        if self.perp_neg is None:
            return Conditioning(self._view_texts(self.views, camera), null, told, plain=plain, contrast=contrast)
        which, weights = self.perp_neg.negatives(camera, self.views)
        cond = mixed(self.views.blend(camera), self.texts[:4])
        negatives = self.texts[which.to(self.texts.device, non_blocking=True)]
        weights = weights.to(cond, non_blocking=True)
        return Conditioning(cond, null, told, negatives, weights, plain=plain, contrast=contrast)

    def _view_texts(self, views: ViewDependentPrompts, camera: Camera) -> Float[Tensor, "v ..."]:
        if views.interpolate:
            return mixed(views.blend(camera), self.texts[:4])
        return self.texts[views.facing(camera).to(self.texts.device, non_blocking=True)]

    @staticmethod
    def _repeated(embedding: Float[Tensor, "..."], v: int) -> Float[Tensor, "v ..."]:
        return embedding.expand(v, *embedding.shape)


def mixed(shares: Float[Tensor, "v n"], texts: Float[Tensor, "n ..."]) -> Float[Tensor, "v ..."]:
    """Each view's linear mix of the texts."""
    return torch.tensordot(shares.to(texts, non_blocking=True), texts, dims=1)
