"""Options that trade time for memory in a prior's network and VAE, with unchanged results.

Only tiling changes results slightly: images above the VAE's tile size are encoded in overlapping tiles.
"""

from dataclasses import dataclass

from torch import nn

from dream3d.errors import UserError
from dream3d.priors.mini.network import channels_last as in_channels_last
from dream3d.priors.parts import Component, by_name


@dataclass(frozen=True)
class Options:
    """As in yaml (``prior.options``).

    Attributes:
        attention_slicing: half of an attention's heads at a time.
        vae_slicing: the VAE takes one image at a time.
        vae_tiling: the VAE takes large images in tiles.
        vae_checkpointing: the VAE's backward pass recomputes activations instead of storing them.
        channels_last: the memory format of 2D convolutions that suits CPUs and tensor cores.
        compile: ``torch.compile`` of the network; the first step takes minutes.
    """

    attention_slicing: bool = False
    vae_slicing: bool = False
    vae_tiling: bool = False
    vae_checkpointing: bool = False
    channels_last: bool = True
    compile: bool = False


DEFAULT = Options()


def save_memory(options: Options, network: Component, vae: Component | None) -> None:
    """Enable them, in place. Raises UserError for one that this prior does not support."""
    if options.attention_slicing:
        able("attention_slicing", network, "set_attention_slice")("auto")
    if options.vae_slicing:
        able("vae_slicing", vae, "enable_slicing")()
    if options.vae_tiling:
        able("vae_tiling", vae, "enable_tiling")()
    if options.vae_checkpointing:
        able("vae_checkpointing", vae, "enable_gradient_checkpointing")()


def save_time(options: Options, network: Component, vae: Component | None) -> None:
    """The same for the two that make it faster; the parts are on their device by now."""
    for part in (network, vae) if options.channels_last else ():
        if part is not None:
            assert isinstance(part, nn.Module)
            in_channels_last(part)
    if options.compile:
        network.compile()


def able(option: str, module: Component | None, method: str) -> Component:
    """The module's method. Raises UserError naming the option where there is none."""
    found = by_name(module, method)
    if found is None:
        what = "has no VAE" if module is None else f"is a {type(module).__name__}, which does not offer it"
        raise UserError(f"prior.options.{option}: got true, but this prior {what}; use prior.options.{option}=false")
    return getattr(module, method)
