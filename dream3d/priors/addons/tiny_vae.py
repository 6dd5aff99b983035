"""TAESD in place of a prior's VAE: an autoencoder of 2.4 M parameters trained to Stable Diffusion's latents.

A step at 512 pixels then hardly pays for the encoder, forward or backward; its gradients are those of an approximation.
Diffusers has it as ``AutoencoderTiny`` (folders ``taesd``, ``taesdxl``, ``taesd3``, ``taef1`` by its author).
"""

from pathlib import Path

from dream3d.errors import UserError
from dream3d.priors.loading.components import loading
from dream3d.priors.parts import Component


def load_tiny_vae(path: str, vae: Component | None) -> Component:
    """The AutoencoderTiny in a folder, frozen, in float32, for a prior whose own autoencoder is ``vae``.

    Raises:
        UserError: no such folder, another class, a prior of pixels, or one whose latents have another shape.
    """
    place = Path(path).expanduser()
    if vae is None:
        raise UserError("prior.vae: got a folder, but this prior works on pixels and has no VAE; use prior.vae=null")
    if not (place / "config.json").is_file():
        raise UserError(
            f"prior.vae: got '{path}', expected the folder of an AutoencoderTiny (config.json, weights); to fetch "
            "one: hf download <owner/name> --local-dir <folder>"
        )
    with loading("prior.vae", place):
        from diffusers import AutoencoderTiny

        tiny: Component = AutoencoderTiny.from_pretrained(place, local_files_only=True)
    for what, got, expected in (
        ("latent channels", tiny.config["latent_channels"], vae.config.latent_channels),
        ("halvings of the image", len(tiny.config["block_out_channels"]), len(vae.config.block_out_channels)),
    ):
        if got != expected:
            raise UserError(f"prior.vae: got {got} {what}, expected {expected}; use the one made for this base model")
    return tiny.eval().requires_grad_(False)
