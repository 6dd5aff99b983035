"""Evaluates a field at many points: in chunks, without gradient, on the field's own device."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dream3d.types import Field, Surface


def device_of(field: Field) -> torch.device:
    """The device of the field's parameters; the CPU for fields without any."""
    if isinstance(field, nn.Module):
        for tensor in (*field.parameters(), *field.buffers()):
            return tensor.device
    return torch.device("cpu")


def _chunks(field: Field, x: Float[Tensor, "n 3"], chunk: int) -> Iterator[Tensor]:
    if chunk < 1:
        raise ValueError(f"mesh.chunk: got {chunk}, expected at least 1 point")
    device = device_of(field)
    return (part.to(device) for part in x.split(chunk))


def _finite(values: Tensor, what: str) -> Tensor:
    if not torch.isfinite(values).all():
        raise ValueError(f"the field's {what} is not finite at some points: training diverged; lower optimizer.lr")
    return values


@torch.no_grad()
def density_at(field: Field, x: Float[Tensor, "n 3"], chunk: int) -> Float[Tensor, " n"]:
    """Densities on the CPU. Raises ValueError where they are not finite."""
    parts = [field.density(part).float().cpu() for part in _chunks(field, x, chunk)]
    return _finite(torch.cat(parts) if parts else x.new_zeros(0), "density")


@torch.no_grad()
def surface_at(field: Field, x: Float[Tensor, "n 3"], chunk: int) -> Surface:
    """Densities and colours (RGB in [0, 1]) on the CPU.

    Raises:
        ValueError: values that are not finite, or colours that are not RGB (latent fields).
    """
    density, colour = [x.new_zeros(0)], [x.new_zeros(0, 3)]
    for part in _chunks(field, x, chunk):
        surface = field.surface(part)
        if surface.colour.shape[1] != 3:
            raise ValueError(
                f"the field's colours: got {surface.colour.shape[1]} channels (latents), expected 3 (RGB) "
                "for a mesh; train with field.decoder.colour_channels=3"
            )
        density.append(surface.density.float().cpu())
        colour.append(surface.colour.float().cpu())
    return Surface(_finite(torch.cat(density), "density"), _finite(torch.cat(colour), "colour").clamp(0, 1))
