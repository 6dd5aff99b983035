"""MVDream (arXiv 2308.16512, Sec. 3): a UNet with attention across several views of one object.

It is Stable Diffusion's UNet with two changes. Self-attention runs over the pixels of all views of a
group (``joined``), and the camera goes through an MLP that is added to the time embedding: in diffusers'
words ``class_embed_type="projection"`` with 16 inputs, so that an ordinary folder holds such a model.
Rows come in groups: those of a group follow each other and are at the same timestep.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.priors.families import Family, StableDiffusion
from dream3d.priors.parts import Component

CAMERA = 16
VIEWS = 4  # in a group
Y_UP_TO_Z_UP = ((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -1.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))


def told_cameras(camera: Float[Tensor, "b 17"]) -> Float[Tensor, "b 16"]:
    """Flattened c2w as MVDream was trained: z up, the camera's distance set to 1."""
    c2w = torch.tensor(Y_UP_TO_Z_UP).to(camera) @ camera[:, :16].unflatten(1, (4, 4))
    at = c2w[:, :3, 3:]
    at = at / at.norm(dim=1, keepdim=True).clamp(min=1e-8)
    top = torch.cat((c2w[:, :3, :3], at), dim=2)
    return torch.cat((top, c2w[:, 3:]), dim=1).flatten(1)


class CrossViewAttention:
    """An attention processor that passes the tokens of all views of a group to its inner one as one sequence."""

    def __init__(self, inner: Component, views: int) -> None:
        self.inner, self.views = inner, views

    def __call__(
        self,
        attn: Component,
        hidden_states: Float[Tensor, "bv n c"],
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Float[Tensor, "bv n c"]:
        group = hidden_states.unflatten(0, (-1, self.views)).flatten(1, 2)
        out = self.inner(attn, group, encoder_hidden_states, attention_mask, temb)
        return out.unflatten(1, (self.views, -1)).flatten(0, 1)


def join(unet: Component, views: int) -> None:
    """Make self-attention (attn1) attend across all views of a group, in place."""
    processors = unet.attn_processors
    unet.set_attn_processor({
        name: CrossViewAttention(inner, views) if ".attn1." in name else inner for name, inner in processors.items()
    })  # fmt: skip


@dataclass(frozen=True)
class MultiView(StableDiffusion):
    """As Stable Diffusion, plus the cameras; rows in groups of ``views``."""

    views: int = VIEWS

    def call(
        self, network: Component, x: Tensor, t: Tensor, embedding: Tensor, camera: Tensor | None
    ) -> Float[Tensor, "b c h w"]:
        if len(x) % self.views:
            raise ValueError(
                f"views: got {len(x)} images at once, expected a multiple of {self.views}, which this prior "
                f"sees together; use camera=mvdream batch_size={self.views}"
            )
        if camera is None:
            raise ValueError(
                "this prior is conditioned on cameras: got none; build the text with prompts.PromptEmbeddings"
            )
        return network(x, t, embedding, class_labels=told_cameras(camera).to(x.dtype)).sample


def seeing_together(family: Family, network: Component, views: int = VIEWS) -> Family:
    """The family unchanged; ``MultiView``, with cross-view attention, if the network is conditioned on cameras."""
    config = network.config
    told = config.get("class_embed_type"), config.get("projection_class_embeddings_input_dim")
    if not isinstance(family, StableDiffusion) or told != ("projection", CAMERA):
        return family
    join(network, views)
    return MultiView(family.parts, views=views)
