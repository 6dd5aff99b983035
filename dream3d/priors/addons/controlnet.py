"""ControlNet (arXiv 2302.05543): conditions the prior on the depth or the normals of the current render.

A second network reads the conditioning image and adds residuals to the UNet's blocks. It runs in the same batched
call, for the null prompt as well, as in diffusers.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.errors import UserError
from dream3d.priors.loading.components import loading
from dream3d.priors.parts import Component, by_name
from dream3d.priors.spaces import resized
from dream3d.types import Camera, Render

COVERED = 0.5  # alpha from which a pixel counts as seen


@dataclass(frozen=True)
class Control:
    """A ControlNet, its kind of input, conditioning scale, and input size in pixels."""

    net: Component
    kind: Literal["depth", "normal"]
    scale: float
    size: int

    @torch.no_grad()
    def picture(self, render: Render, camera: Camera) -> Float[Tensor, "b 3 y x"]:
        """The conditioning image of a render, in [0, 1]."""
        made = depth_picture(render, camera) if self.kind == "depth" else normal_picture(render, camera)
        return resized(made, self.size)

    def on(self, unet: Component, picture: Float[Tensor, "b 3 y x"]) -> Component:
        """The UNet with the ControlNet's additions, to be called like the UNet."""

        def _both(x: Tensor, t: Tensor, hidden: Tensor, **more: object) -> object:
            down, middle = self.net(
                x, t, hidden, picture.to(x.dtype), conditioning_scale=self.scale, return_dict=False, **more
            )
            return unet(
                x,
                t,
                hidden,
                down_block_additional_residuals=down,
                mid_block_additional_residual=middle,
                **more,
            )

        return cast("Component", _both)


def depth_picture(render: Render, camera: Camera) -> Float[Tensor, "b 3 h w"]:
    """Inverse depth along the camera's axis, each view stretched to [0, 1]: near is white, nothing black.

    That is how the depth networks see the world whose pictures ControlNets are trained on (MiDaS, arXiv
    1907.01341: inverse depth up to scale and shift). ``Render.depth`` is a distance along the ray.
    """
    if render.rays is None:
        raise ValueError("prior.control_kind: got depth, but the render has no rays; expected Render.rays")
    alpha = render.image.alpha
    forward = -camera.c2w[:, None, None, :3, 2]
    z = render.depth / alpha.clamp(min=1e-6) * (render.rays.direction * forward).sum(-1, keepdim=True)
    inverse = 1 / z.clamp(min=1e-3)
    seen = alpha >= COVERED
    low = torch.where(seen, inverse, torch.inf).amin(dim=(1, 2, 3), keepdim=True)
    high = torch.where(seen, inverse, -torch.inf).amax(dim=(1, 2, 3), keepdim=True)
    grey = ((inverse - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
    grey = torch.where(seen.flatten(1).any(1).view(-1, 1, 1, 1), grey, torch.zeros_like(grey)) * alpha
    return grey.permute(0, 3, 1, 2).expand(-1, 3, -1, -1)


def normal_picture(render: Render, camera: Camera) -> Float[Tensor, "b 3 h w"]:
    """Normals in the camera's axes, ``(n + 1) / 2``: red is left, green is up, blue is towards the viewer.

    (ScanNet's protocol, which ControlNet 1.1's normalbae networks follow.) Nothing is black.
    """
    if render.normal is None:
        raise ValueError(
            "prior.control_kind: got normal, but the run renders no normals; use shading.normals=analytic (or finite)"
        )
    own = torch.einsum("bhwi,bij->bhwj", render.normal, camera.c2w[:, :3, :3])
    own = torch.nn.functional.normalize(own, dim=-1) * own.new_tensor([-1.0, 1.0, 1.0])
    return (render.image.alpha * (own + 1) / 2).permute(0, 3, 1, 2)


def load_control(path: str | None, kind: str, scale: float, size: int, unet: Component) -> Control | None:
    """The ControlNet in a folder, frozen, in the UNet's dtype; None without a path.

    Raises:
        UserError: no such folder, another class, an unknown kind, or one made for another base model.
    """
    if path is None:
        return None
    if kind not in ("depth", "normal"):
        raise UserError(f"prior.control_kind: got '{kind}', expected depth or normal")
    place = Path(path).expanduser()
    if not (place / "config.json").is_file():
        raise UserError(
            f"prior.control: got '{path}', expected a ControlNet's folder (config.json, weights); to fetch "
            "one: hf download <owner/name> --local-dir <folder>"
        )
    if by_name(unet, "mid_block") is None or "cross_attention_dim" not in unet.config:
        raise UserError(f"prior.control: got a {type(unet).__name__} prior, expected Stable Diffusion 1, 2 or XL")
    with loading("prior.control", place):
        from diffusers import ControlNetModel

        net: Component = ControlNetModel.from_pretrained(place, torch_dtype=unet.dtype, local_files_only=True)
    for key in ("in_channels", "cross_attention_dim", "block_out_channels"):
        got, expected = net.config[key], unet.config[key]
        if list(got) != list(expected) if isinstance(got, list | tuple) else got != expected:
            raise UserError(
                f"prior.control: got a network with {key} {got}, expected {expected}; use a ControlNet made "
                "for this base model"
            )
    return Control(net.eval().requires_grad_(False), kind, scale, size)  # pyright: ignore[reportArgumentType]
