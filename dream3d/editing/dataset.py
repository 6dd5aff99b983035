"""Iterative dataset update: Instruct-NeRF2NeRF, arXiv 2303.12789.

The source's pictures from a fixed ring of cameras are the data that the field is trained on. Every few steps one of
them is replaced by an edit of what the field shows there now, so that data and field become consistent together.
"""

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.cameras import turntable
from dream3d.contracts import Decodes
from dream3d.diffusion import q_sample
from dream3d.distill.ddim import ddim_walk
from dream3d.distill.ip2p import guided_by_both
from dream3d.distill.surrogate import distilled
from dream3d.editing.patches import Perceptual, patch, structure
from dream3d.types import Camera, Conditioning, Distilled, Image, Normals, Render, ScoreModel

STRIDE = 0.618  # of the ring, from one step's camera to the next, so that neighbours in time are far apart


class DatasetUpdate:
    """A reference view (``contracts.ReferenceView``) that looks along a ring of ``views`` cameras, one a step.

    Every ``every``-th step, that camera's picture is replaced: the present render is noised to t uniform in
    [t_min, t_max] T, denoised in ``denoise_steps`` DDIM steps conditioned on the source's picture and the prompt
    (``ip2p.guided_by_both``), and decoded. The loss is ``rgb_weight`` L1 + ``patch_weight`` of a perceptual distance
    of one random patch. Pictures are RGB over white; they go into checkpoints.
    """

    normals: Normals = "none"

    def __init__(
        self,
        *,
        prior: ScoreModel,
        text: Callable[[Camera], Conditioning],
        views: int = 24,
        elevation: float = 20.0,
        distance: float = 3.2,
        fov_y: float = 40.0,
        size: int = 64,
        every: int = 10,
        denoise_steps: int = 20,
        t_min: float = 0.02,
        t_max: float = 0.98,
        scale: float = 7.5,
        image_scale: float = 1.5,
        rgb_weight: float = 1.0,
        patch_weight: float = 1.0,
        patch_size: int = 32,
        perceptual: Perceptual = structure,
    ) -> None:
        if not isinstance(prior, Decodes):
            raise ValueError("edit.dataset: got a prior that cannot decode; expected one of a diffusers folder")
        self.prior, self.decode, self.text = prior, prior.decode, text
        self.ring = turntable(views, math.radians(elevation), distance, math.radians(fov_y), size)
        self.every, self.denoise_steps, self.t_min, self.t_max = every, denoise_steps, t_min, t_max
        self.scale, self.image_scale = scale, image_scale
        self.rgb_weight, self.patch_weight, self.patch_size, self.perceptual = (
            rgb_weight, patch_weight, patch_size, perceptual
        )  # fmt: skip
        self.originals = torch.ones(views, size, size, 3)
        self.pictures = torch.ones(views, size, size, 3)

    def start(self, view: Callable[[Camera], Image]) -> None:
        """Fill the data set with what ``view`` shows of the source."""
        for i in range(len(self.ring)):
            self.originals[i] = over_white(view(self.ring[i : i + 1])).detach().cpu()[0]
        self.pictures.copy_(self.originals)

    def at(self, step: int) -> int:
        """Which of the ring's cameras a step has; updates, counted by themselves, reach every one equally often."""
        stride = max(1, round(STRIDE * len(self.ring)))
        while math.gcd(stride, len(self.ring)) > 1:
            stride += 1
        number = step // self.every if step % self.every == 0 else step
        return number * stride % len(self.ring)

    def camera(self, step: int, size: int) -> Camera:
        """One of the ring, of the ring's size."""
        i = self.at(step)
        return self.ring[i : i + 1]

    def losses(self, render: Render, step: int, generator: Generator) -> dict[str, Float[Tensor, ""]]:
        """The picture's, after its update where that is due."""
        i, shown = self.at(step), over_white(render.image)
        if step % self.every == 0:
            self.pictures[i] = self.edited(render.image, i, generator).cpu()[0]
        wanted = self.pictures[i : i + 1].to(shown)
        losses = {"rgb": self.rgb_weight * (shown - wanted).abs().mean()}
        if self.patch_weight:
            losses["patch"] = self.patch_weight * self.perceptual(*patch(shown, wanted, self.patch_size, generator))
        return losses

    @torch.no_grad()
    def edited(self, shown: Image, i: int, generator: Generator) -> Float[Tensor, "1 h w 3"]:
        """The render ``shown`` of camera i, noised and denoised towards the prompt and the source's picture."""
        x = self.prior.encode(shown, torch.ones_like(shown.colour[:, :1, :1]), generator)
        noise = torch.randn(x.shape, generator=generator).to(x)
        total = len(self.prior.alpha_bar)
        low, high = (min(int(share * total), total - 1) for share in (self.t_min, self.t_max))
        top = int(torch.randint(low, high + 1, (1,), generator=generator))
        text, original = self.text(self.ring[i : i + 1]), self.originals[i : i + 1].to(x)
        told = Conditioning(text.cond, text.null, text.camera, control=original.permute(0, 3, 1, 2))

        def score(x_t: Tensor, t: Tensor) -> Tensor:
            return guided_by_both(self.prior, x_t, t, told, self.scale, self.image_scale)

        t = [torch.full((1,), top * (self.denoise_steps - k) // self.denoise_steps, device=x.device)
             for k in range(self.denoise_steps + 1)]  # fmt: skip
        clean = ddim_walk(score, q_sample(x, t[0], noise, self.prior.alpha_bar), t, self.prior.alpha_bar)
        decoded = self.decode(clean).clamp(0, 1)
        picture = decoded[..., :3] if decoded.shape[-1] == 3 else over_white(Image(decoded[..., :3], decoded[..., 3:]))
        sized = torch.nn.functional.interpolate(picture.permute(0, 3, 1, 2), shown.alpha.shape[1:3], mode="bilinear")
        return sized.permute(0, 2, 3, 1).clamp(0, 1)

    def state_dict(self) -> dict[str, Tensor]:
        return {"pictures": self.pictures.clone(), "originals": self.originals.clone()}

    def load_state_dict(self, state_dict: Mapping[str, Tensor], /) -> None:
        self.pictures.copy_(state_dict["pictures"])
        self.originals.copy_(state_dict["originals"])


def nothing(prior: ScoreModel, x: Float[Tensor, "b *d"], t: Tensor, noise: Tensor, text: Conditioning) -> Distilled:
    """In place of a distillation loss where the data set alone is trained on: no gradient, no network."""
    return distilled(x, torch.zeros_like(x))


def over_white(image: Image) -> Float[Tensor, "b h w 3"]:
    """The picture composited over white."""
    return image.over(torch.ones_like(image.colour[:, :1, :1]))
