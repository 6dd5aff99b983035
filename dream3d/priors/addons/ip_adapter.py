"""Image prompts: IP-Adapter (arXiv 2308.06721), for Stable Diffusion 1, 2 and XL.

Beside every cross-attention to the text stands one to tokens made of the picture, its result added times
``scale``. The condition is shown the picture; null and negatives are shown what diffusers shows them:
zeros, or the embedding of an empty picture where the adapter reads hidden states ("plus").
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from PIL import Image as Pillow
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dream3d.errors import UserError
from dream3d.priors.loading.components import loading, quiet
from dream3d.priors.parts import Component, by_name

PARTS = ("image_proj", "ip_adapter")
EXPECTED = {
    "file": "a picture",
    "adapter": "an IP-Adapter's .safetensors file",
    "encoder": "the folder of its CLIP image encoder",
}


@dataclass(frozen=True)
class ImagePrompt:
    """As in yaml (``prior.image``): all three files or none, and how strongly the picture acts."""

    file: str | None = None
    adapter: str | None = None
    encoder: str | None = None
    scale: float = 1.0


NONE = ImagePrompt()


@dataclass(frozen=True)
class IPAdapter:
    """What the adapter is given for a row with the picture and for one without (``d``: its embedding)."""

    picture: Float[Tensor, "*d"]
    nothing: Float[Tensor, "*d"]

    def to(self, device: torch.device) -> "IPAdapter":
        return IPAdapter(self.picture.to(device), self.nothing.to(device))

    def on(self, unet: Component, rows: Float[Tensor, " b"]) -> Component:
        """The UNet, to be called like the UNet; ``rows`` is 1 where the picture is shown, else 0."""

        def _with(x: Tensor, *args: Any, **more: Any) -> Any:  # whatever the family of the UNet hands on
            chosen = rows.view(-1, *(1,) * self.picture.ndim) > 0
            embeds = torch.where(chosen, self.picture, self.nothing).to(x.dtype)
            added = {**more.pop("added_cond_kwargs", {}), "image_embeds": [embeds[:, None]]}
            return unet(x, *args, added_cond_kwargs=added, **more)

        return cast("Component", _with)


def load_image(wanted: ImagePrompt, unet: Component) -> IPAdapter | None:
    """Insert the adapter into the UNet, in place, and embed the image. None without an image prompt.

    Raises:
        UserError: a file is missing or damaged, or made for another base model.
    """
    if wanted == ImagePrompt(scale=wanted.scale):
        return None
    check_prompt_files(wanted, unet)
    state = adapter_of(str(wanted.adapter))
    encoder = encoder_of(str(wanted.encoder))
    try:
        with quiet(), torch.random.fork_rng(devices=[]):  # layers are filled at random before they are read
            unet._load_ip_adapter_weights([state])
        from diffusers.models.embeddings import ImageProjection

        plus = not isinstance(unet.encoder_hid_proj.image_projection_layers[0], ImageProjection)
        pixels = prepared(Path(str(wanted.file)).expanduser(), encoder.config.image_size)
        shown = IPAdapter(embedded(encoder, pixels, plus), embedded(encoder, torch.zeros_like(pixels), plus))
        shown = shown if plus else IPAdapter(shown.picture, torch.zeros_like(shown.picture))
        with torch.no_grad():  # an encoder of another width shows only here
            unet.encoder_hid_proj([shown.picture[None, None].to(unet.dtype)])
    except (RuntimeError, KeyError, ValueError, TypeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"prior.image: {wanted.adapter} does not fit this prior or {wanted.encoder} ({reason}); use an "
            "IP-Adapter made for the base model, and the image encoder that comes with it"
        ) from error
    for processor in unet.attn_processors.values():
        if by_name(processor, "to_k_ip") is not None:
            processor.scale = [wanted.scale]
    unet.requires_grad_(False)
    return shown


def check_prompt_files(wanted: ImagePrompt, unet: Component) -> None:
    """Raise UserError for settings that are incomplete, and priors that take no adapter."""
    for name in ("file", "adapter", "encoder"):
        path = vars(wanted)[name]
        if path is None or not Path(path).expanduser().exists():
            raise UserError(
                f"prior.image.{name}: got {path!r}, expected {EXPECTED[name]} that exists; an image prompt "
                "needs prior.image.file, .adapter and .encoder"
            )
    if "cross_attention_dim" not in unet.config or by_name(unet, "_load_ip_adapter_weights") is None:
        raise UserError(
            f"prior.image: got a {type(unet).__name__} prior, expected Stable Diffusion 1, 2 or XL; leave "
            "out prior.image"
        )
    changed = {type(p).__name__ for p in unet.attn_processors.values()} & {
        "SlicedAttnProcessor",
        "CrossViewAttention",
    }
    if changed:
        raise UserError(
            "prior.image: got a prior whose attention is changed already (attention slicing, or views that "
            "see each other); use prior.options.attention_slicing=false, or leave out prior.image"
        )


def adapter_of(path: str) -> dict[str, dict[str, Tensor]]:
    """The file's two tables. Raises UserError where it is no IP-Adapter."""
    file, state = Path(path).expanduser(), {part: {} for part in PARTS}
    try:
        with safe_open(file, "pt") as opened:
            for name in opened.keys():
                part, _, rest = name.partition(".")
                if part in state:
                    state[part][rest] = opened.get_tensor(name)
    except (OSError, SafetensorError) as error:
        raise UserError(f"prior.image.adapter: {file} cannot be read ({error}); download it again") from error
    if not all(state.values()):
        raise UserError(f"prior.image.adapter: {file} has no image_proj.* and ip_adapter.*; expected an IP-Adapter")
    return state


def encoder_of(path: str) -> Component:
    """The image encoder in a folder, on the CPU. Raises UserError."""
    folder = Path(path).expanduser()
    with loading("prior.image.encoder", folder):
        from transformers import CLIPVisionModelWithProjection

        return CLIPVisionModelWithProjection.from_pretrained(folder, local_files_only=True).eval()


def prepared(file: Path, size: int) -> Float[Tensor, "1 3 size size"]:
    """As CLIP wants it: short side ``size``, the middle cut out, normalised; what is transparent is white.

    Raises UserError where the file is no picture.
    """
    try:
        with Pillow.open(file) as opened:
            rgba = opened.convert("RGBA")
    except OSError as error:
        raise UserError(f"prior.image.file: {file} is no picture ({error}); choose a PNG or JPEG") from error
    white = Pillow.new("RGBA", rgba.size, (255, 255, 255, 255))
    picture = Pillow.alpha_composite(white, rgba).convert("RGB")
    with quiet():  # the import itself would warn where torchvision is not installed
        from transformers import CLIPImageProcessor

        return CLIPImageProcessor(size=size, crop_size=size)(picture, return_tensors="pt").pixel_values


@torch.no_grad()
def embedded(encoder: Component, pixels: Float[Tensor, "1 3 s s"], plus: bool) -> Float[Tensor, "*d"]:
    """The projected embedding; of "plus" adapters the hidden states before the last layer."""
    if plus:
        return encoder(pixels, output_hidden_states=True).hidden_states[-2][0].float()
    return encoder(pixels).image_embeds[0].float()
