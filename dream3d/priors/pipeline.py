"""Any diffusers text-to-image folder as a ``ScoreModel``: latent or pixel; noise, v, sample or flow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from dream3d import diffusion
from dream3d.priors import prediction_type
from dream3d.priors.addons.controlnet import Control, load_control
from dream3d.priors.addons.ip_adapter import NONE, ImagePrompt, IPAdapter, load_image
from dream3d.priors.addons.lora_and_embeddings import add_files
from dream3d.priors.addons.multiview import MultiView, seeing_together
from dream3d.priors.addons.tiny_vae import load_tiny_vae
from dream3d.priors.families import Family, Instruct, Sdxl, cut_words, family_of
from dream3d.priors.latent_rgb import affine_rgb
from dream3d.priors.loading.components import ENCODERS
from dream3d.priors.loading.dtypes import cast_vae, chosen_dtype
from dream3d.priors.loading.memory import ONE, Batch, check_memory, estimate
from dream3d.priors.loading.options import DEFAULT, Options, save_memory, save_time
from dream3d.priors.loading.single_file import opened
from dream3d.priors.mini import words
from dream3d.priors.mini.family import MiniFamily
from dream3d.priors.prediction_type import Prediction
from dream3d.priors.spaces import Latent, Space, resized, space_of
from dream3d.priors.text import freed
from dream3d.types import Camera, Conditioning, Image, Mesh, NoisePrediction, Render


@dataclass(eq=False)
class Pipeline:
    """A frozen prior. ``dataclasses.replace(prior, unet=...)`` is the same prior with another network.

    Attributes:
        unet: the network (a transformer in SD 3 and Flux), on its device, in its dtype.
        alpha_bar: (T,) cumulative product; of flows the equivalent one (``prediction_type.py``).
        timesteps: (T,) what the network is told for index t.
        prediction: what the network returns.
        resolution: height and width in pixels of the images it wants.
        dtype: what the network computes in; all that enters and leaves the prior is float32.
        concepts: what the prior knows by name, where its folder says so (concepts.json), else None.
        notes: what the user should know of it before the run.
        control: a ControlNet that acts where a text brings its picture (``condition``).
        image: a picture that is part of the prompt (``image.py``).
    """

    unet: nn.Module
    family: Family
    space: Space
    alpha_bar: Float[Tensor, " T"]
    timesteps: Float[Tensor, " T"]
    prediction: Prediction
    resolution: int
    dtype: torch.dtype
    concepts: Mapping[str, Sequence[str]] | None = None
    notes: Sequence[str] = ()
    control: Control | None = None
    image: IPAdapter | None = None

    @property
    def camera_conditioned(self) -> bool:
        """Does the network take the camera? If so, prompts need not name the view."""
        return isinstance(self.family, MiniFamily | MultiView)

    @property
    def light(self) -> list[float] | None:
        """The fixed light of the embedded prior's pictures (``mesh/delight.py``)."""
        return self.family.light if isinstance(self.family, MiniFamily) else None

    def shape_of(self, prompt: str) -> Mesh | None:
        """The embedded prior's shape for a prompt (``init=prior``)."""
        return self.family.shape_of(prompt) if isinstance(self.family, MiniFamily) else None

    @property
    def channels(self) -> int:
        """Channels of x."""
        return self.space.channels

    def warnings(self, prompt: str, texts: Sequence[str]) -> list[str]:
        """What this prior does not know in the prompt (if it has a word list), and what its text encoders cut
        off from the ``texts`` made of it.

        Raises:
            UnknownWord: the prompt names nothing that the prior knows; offers what is nearest.
        """
        unknown = []
        if self.concepts is not None:
            takes_colour = self.family.takes_colour if isinstance(self.family, MiniFamily) else None
            unknown = words.prompt_warnings(prompt, self.concepts, takes_colour)
        return [*unknown, *cut_words(self.family, texts)]

    @property
    def sees_source(self) -> bool:
        """Is the network shown the picture that is to be edited?"""
        return isinstance(self.family, Instruct)

    def condition(self, render: Render, camera: Camera) -> Float[Tensor, "b 3 y x"] | None:
        """What the ControlNet is shown of a render (``Conditioning.control``), or an editing model (over white);
        None without either."""
        if self.sees_source:
            shown = render.image.over(torch.ones_like(render.image.colour)).detach().permute(0, 3, 1, 2)
            return resized(shown, self.resolution)
        return None if self.control is None else self.control.picture(render, camera)

    @torch.no_grad()
    def embed(self, prompts: list[str]) -> Float[Tensor, "b l c"]:
        """Float32 text embeddings on the prior's device; a pooled one is packed behind (``text.pack``)."""
        return self.family.embed(prompts).to(self.alpha_bar.device, torch.float32)

    def free_text(self) -> None:
        """Let go of the text encoders, whose memory a run does not need once its prompts are embedded."""
        family: Any = self.family
        self.family = replace(family, parts=freed(family.parts))

    def encode(
        self, image: Image, background: Float[Tensor, "#b #h #w c"], generator: Generator | None = None
    ) -> Float[Tensor, "b d y x"]:
        """A rendered image to x, with gradient. ``posterior: sample`` needs the generator."""
        return self.space.encode(image, background, generator)

    def decode(self, x: Float[Tensor, "b d y x"]) -> Float[Tensor, "b h w c"]:
        """x to RGB (RGBA of the embedded prior), about [0, 1], for pictures and image-space losses."""
        return self.space.decode(x)

    def affine_rgb(self) -> Float[Tensor, "d 3"] | None:
        """``[latent, 1] M`` is about RGB (``latents.py``); None for priors of pixels."""
        return affine_rgb(self.space) if isinstance(self.space, Latent) else None

    def alpha_sigma(
        self, t: Int[Tensor, " b"], like: Float[Tensor, "b *d"]
    ) -> tuple[Float[Tensor, "b ..."], Float[Tensor, "b ..."]]:
        """``sqrt(alpha_bar)``, ``sqrt(1 - alpha_bar)`` at t, broadcastable with ``like``."""
        return diffusion.alpha_sigma(self.alpha_bar, t, like)

    def predict(
        self,
        x_t: Float[Tensor, "b *d"],
        t: Int[Tensor, " b"],
        embedding: Float[Tensor, "b l c"],
        camera: Float[Tensor, "b 17"] | None = None,
        control: Float[Tensor, "b 3 y x"] | None = None,
        shown: Float[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "b *d"]:
        """The network's own output in float32, with gradient.

        ``shown`` is 0 for rows that an image prompt is kept from, else 1 (None: 1 for all).
        """
        x, network = x_t, self.unet
        if self.image is not None:
            network = self.image.on(network, x_t.new_ones(len(x_t)) if shown is None else shown)
        if control is not None and self.control is not None:
            network = self.control.on(network, control)
        if self.prediction == "flow_prediction":
            x = x_t * prediction_type.flow_scale(*self.alpha_sigma(t, x_t))
        if control is not None and self.sees_source and isinstance(self.space, Latent):
            x = torch.cat((x, self.space.shown(control)), dim=1)
        x, embedding = x.to(self.dtype), embedding.to(self.dtype)
        return self.family.call(network, x, self.timesteps[t], embedding, camera).float()

    def to_eps(
        self, out: Float[Tensor, "b *d"], x_t: Float[Tensor, "b *d"], t: Int[Tensor, " b"]
    ) -> Float[Tensor, "b *d"]:
        """The network's output as a noise prediction."""
        return prediction_type.to_eps(self.prediction, out, x_t, *self.alpha_sigma(t, x_t))

    def to_x0(
        self, out: Float[Tensor, "b *d"], x_t: Float[Tensor, "b *d"], t: Int[Tensor, " b"]
    ) -> Float[Tensor, "b *d"]:
        """The network's output as a clean sample."""
        return prediction_type.to_x0(self.prediction, out, x_t, *self.alpha_sigma(t, x_t))

    def target(
        self, x: Float[Tensor, "b *d"], noise: Float[Tensor, "b *d"], t: Int[Tensor, " b"]
    ) -> Float[Tensor, "b *d"]:
        """What the network should return for x and noise, for training a student."""
        return prediction_type.target(self.prediction, x, noise, *self.alpha_sigma(t, x))

    @torch.no_grad()
    def eps(self, x_t: Float[Tensor, "b *d"], t: Int[Tensor, " b"], text: Conditioning) -> NoisePrediction:
        """Noise predictions for condition, null and k negatives an image, in one call of the network.

        Where cond and null are one and the same tensor (``distill.guidance.alone``) they run once, and
        are shown the image prompt; otherwise cond alone is.
        """
        b, k = len(x_t), 0 if text.negatives is None else text.negatives.shape[1]
        same = 1 if text.null is text.cond else 2
        embeddings = [text.cond, text.null][:same]
        if text.negatives is not None:  # image 0's k, image 1's k, ...
            embeddings.append(text.negatives.flatten(0, 1))

        def every(item: Tensor) -> Tensor:
            rows = [item] * same
            return torch.cat([*rows, item.repeat_interleave(k, dim=0)] if k else rows)

        x, at = every(x_t), every(t)
        camera, control = (None if item is None else every(item) for item in (text.camera, text.control))
        shown = None
        if self.image is not None:
            shown = torch.cat((x.new_ones(b), x.new_zeros(len(x) - b)))
        out = self.predict(x, at, torch.cat(embeddings), camera, control, shown)
        cond, *others = self.to_eps(out, x, at).split([b] * same + [b * k] * (k > 0))
        null = cond if same == 1 else others[0]
        negatives = None if text.negatives is None else others[-1].unflatten(0, (b, k))
        return NoisePrediction(cond, null, negatives, text.weights)


def load(
    path: str | None = None,
    *,
    places: Sequence[str] = ("embedded",),
    device: torch.device | str = "cpu",
    dtype: str = "auto",
    vae_dtype: str = "auto",
    vae: str | None = None,
    text_device: str | None = None,
    resolution: int | None = None,
    posterior: Literal["mean", "sample"] = "mean",
    guidance: float = 1.0,
    steps: int | None = None,
    offline: bool = False,
    config: str | None = None,
    lora: str | None = None,
    lora_scale: float = 1.0,
    embeddings: str | None = None,
    control: str | None = None,
    control_kind: str = "depth",
    control_scale: float = 1.0,
    painted: bool = True,
    image: ImagePrompt = NONE,
    options: Options = DEFAULT,
    memory_check: bool = True,
    batch: Batch = ONE,
) -> Pipeline:
    """The prior at ``path`` (folder, hub id or .safetensors file), or the first of ``places`` that is there.

    Args:
        dtype, vae_dtype: ``auto``, float32, float16 or bfloat16 (``dtypes.py``).
        vae: folder of an AutoencoderTiny (TAESD) to use instead of the prior's VAE (``tiny_vae.py``).
        text_device: where prompts are embedded (once a run); None: ``device``.
        resolution: pixels of the images it wants; None: what it was trained at.
        posterior: the VAE's mean, or a sample of it (``encode`` then needs a generator).
        guidance: what guidance-distilled models (Flux dev) are told; steps: how many timesteps few-step ones know.
        config: folder of a single file's configurations; None: by its kind. image: part of the prompt (``image.py``).
        lora, lora_scale, embeddings: a LoRA file merged into the weights, its scale; a file of learned words.
        control, control_kind, control_scale: a ControlNet and what it is shown (``control.py``).
        painted: of the embedded prior, whether its network is shown a view of the shape that the prompt names.
        options: that trade time for memory (``options.py``). memory_check: refuse a ``batch`` that cannot fit.

    Raises UserError where nothing is usable, with the reason for each place and the fix.
    """
    device, kind = torch.device(device), chosen_dtype(dtype, torch.device(device))
    text_kind = torch.float32 if torch.device(text_device or device).type == "cpu" else kind
    folder, parts = opened(path, places, (kind, text_kind), config, offline=offline, check=memory_check)
    parts = parts if vae is None else replace(parts, vae=load_tiny_vae(vae, parts.vae))
    notes = [*add_files(parts, lora, lora_scale, embeddings), *prediction_type.hints(parts.scheduler, steps)]
    space = space_of(parts, resolution, posterior)
    family = seeing_together(family_of(parts, space.size, guidance), parts.network)
    family = family.with_shapes(folder, painted) if isinstance(family, MiniFamily) else family
    cast_vae(parts.vae, vae_dtype, kind, device, overflows=isinstance(family, Sdxl))
    save_memory(options, parts.network, parts.vae)
    texts = [parts.text[role] for role in ENCODERS if role in parts.text]
    shown = load_control(control, control_kind, control_scale, space.size, parts.network)
    beside = [] if text_device else texts
    resident = [p for p in (parts.network, parts.vae, shown and shown.net, *beside) if p is not None]
    needed = estimate(parts.network, family, space, resident, kind, batch)
    notes.append(check_memory(needed, batch, device, memory_check))
    picture = load_image(image, parts.network)
    for part in (*resident, *texts):
        part.to(text_device or device if part in texts else device)
    save_time(options, parts.network, parts.vae)
    alpha_bar, timesteps, prediction = prediction_type.schedule(parts.scheduler, steps)
    return Pipeline(
        cast(nn.Module, parts.network), family, space, alpha_bar=alpha_bar.to(device), timesteps=timesteps.to(device),
        prediction=prediction, resolution=space.size, dtype=kind, concepts=words.concepts_of(folder), notes=notes,
        control=shown, image=picture and picture.to(device),
    )  # fmt: skip
