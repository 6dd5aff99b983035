"""Volume rendering of a radiance field: march, skip what is empty, query, composite.

rays -> ``sampling.march`` -> ``field.surface`` on packed points -> ``composite.weights`` -> pixels.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from dream3d.cameras import pixel_rays
from dream3d.render.composite import accumulate, weights
from dream3d.render.normals import normals_analytic, normals_finite
from dream3d.render.occupancy import Occupancy
from dream3d.render.sampling import FlatRays, march
from dream3d.types import Camera, Field, Image, Normals, Rays, Render, Samples, Shading


class _Traced(NamedTuple):
    """The result of one chunk of rays; ``pixels`` holds colour, alpha, depth and perhaps the normal."""

    pixels: Float[Tensor, "r k"]
    samples: Samples
    weights: Float[Tensor, " n"]
    points: Float[Tensor, "n 3"]
    density: Float[Tensor, " n"]
    normals: Float[Tensor, "n 3"] | None


class VolumeRenderer(nn.Module):
    """Renders any ``Field`` in the unit ball. The background is not composited here.

    ``samples`` steps fit in the ball's diameter; every ray uses that step length. ``occupancy`` is the
    resolution of the grid that says what to skip (0: skip nothing), refreshed by ``update`` every
    ``occupancy_every`` steps. A ray stops where less than ``transmittance`` of it can be left.
    """

    def __init__(
        self,
        *,
        samples: int = 64,
        occupancy: int = 32,
        occupancy_every: int = 16,
        occupancy_threshold: float = 0.01,
        occupancy_decay: float = 0.6,
        occupancy_probes: int = 1,
        transmittance: float = 1e-4,
        normal_eps: float = 0.01,
        chunk: int = 65536,
    ) -> None:
        super().__init__()
        if samples < 1 or occupancy < 0 or occupancy_every < 1 or chunk < 1:
            raise ValueError(
                f"render: got samples {samples}, occupancy {occupancy}, occupancy_every {occupancy_every}, "
                f"chunk {chunk}; expected samples, occupancy_every, chunk >= 1 and occupancy >= 0"
            )
        self.step = 2 / samples
        self.occupancy_every = occupancy_every
        self.transmittance = transmittance
        self.normal_eps = normal_eps
        self.chunk = chunk
        self.occupancy = None
        if occupancy:
            self.occupancy = Occupancy(
                occupancy, threshold=occupancy_threshold, decay=occupancy_decay, probes=occupancy_probes
            )

    def update(self, field: Field, step: int, generator: Generator) -> None:
        """Refresh the occupancy grid, if it is due at this step; call it before ``forward``."""
        if self.occupancy is not None and step % self.occupancy_every == 0:
            self.occupancy.update(field, self.step, generator)

    def forward(
        self,
        field: Field,
        camera: Camera,
        generator: Generator | None = None,
        normals: Normals = "none",
        shading: Shading | None = None,
    ) -> Render:
        """The views of ``camera``, ``b h w``. Without a generator samples sit at the midpoints of uniform
        steps; with one, each ray's steps are shifted by a random fraction of a step."""
        if shading is not None and normals == "none":
            raise ValueError("render: got shading without normals; ask for analytic or finite normals")
        rays = pixel_rays(camera)
        flat = _flattened(rays, generator)
        chunks = [FlatRays(*(x[i : i + self.chunk] for x in flat)) for i in range(0, len(flat.view), self.chunk)]
        trace = self._trace if len(chunks) == 1 or not torch.is_grad_enabled() else self._recomputed
        parts = [trace(field, rays, normals, shading) for rays in chunks]
        traced = parts[0] if len(parts) == 1 else _joined(parts)
        pixels = traced.pixels.view(len(camera), camera.height, camera.width, -1)
        end = pixels.shape[-1] - (0 if traced.normals is None else 3)
        return Render(
            image=Image(pixels[..., : end - 2], pixels[..., end - 2 : end - 1].clamp(max=1)),
            depth=pixels[..., end - 1 : end],
            normal=None if traced.normals is None else pixels[..., end:],
            rays=rays,
            samples=traced.samples,
            weights=traced.weights,
            points=traced.points,
            density=traced.density,
            normals=traced.normals,
        )

    def _trace(self, field: Field, rays: FlatRays, normals: Normals, shading: Shading | None) -> _Traced:
        samples = march(rays, self.step, self.occupancy, self.transmittance)
        ray = samples.ray
        middle = (samples.start + samples.end) / 2
        points = rays.origin.index_select(0, ray)
        points.addcmul_(rays.direction.index_select(0, ray), middle[:, None])
        surface = field.surface(points)
        normal = self._normal(field, points, normals)
        colour = surface.colour
        if shading is not None and normal is not None:
            colour = shading(colour, normal, points, rays.view[ray])
        weight = weights(surface.density, samples)
        values = [colour, torch.ones_like(middle)[:, None], middle[:, None]]
        if normal is not None:
            values.append(normal)
        pixels = accumulate(weight, torch.cat(values, dim=-1), samples)
        return _Traced(pixels, samples, weight, points, surface.density, normal)

    def _recomputed(self, field: Field, rays: FlatRays, normals: Normals, shading: Shading | None) -> _Traced:
        """A chunk whose activations are computed again in the backward pass (arXiv 1604.06174), so that memory does not
        grow with the number of chunks. Nothing in a chunk is random: its offsets are drawn before."""
        from torch.utils.checkpoint import checkpoint

        return checkpoint(self._trace, field, rays, normals, shading, use_reentrant=False, preserve_rng_state=False)

    def _normal(self, field: Field, points: Float[Tensor, "n 3"], normals: Normals) -> Float[Tensor, "n 3"] | None:
        if normals == "analytic":
            return normals_analytic(field, points)
        if normals == "finite":
            return normals_finite(field, points, self.normal_eps)
        if normals == "none":
            return None
        raise ValueError(f"render: got normals {normals!r}, expected none, analytic or finite")


def _flattened(rays: Rays, generator: Generator | None) -> FlatRays:
    """All rays in a row, with one random offset a ray (0 without a generator)."""
    b, h, w, _ = rays.direction.shape
    origin, direction = rays.origin.reshape(-1, 3), rays.direction.reshape(-1, 3)
    offset = torch.zeros(len(origin))
    if generator is not None:
        offset = torch.rand(len(origin), generator=generator, device=generator.device)
    view = torch.arange(b * h * w, device=origin.device).div(h * w, rounding_mode="floor")
    return FlatRays(origin, direction, offset.to(origin, non_blocking=True), view)


def _joined(parts: list[_Traced]) -> _Traced:
    """Chunks of rays back in one; ray numbers are shifted to count from the first."""
    ray: list[Int[Tensor, " n"]] = []
    total = 0
    for part in parts:
        ray.append(part.samples.ray + total)
        total += part.samples.n_rays
    start = torch.cat([p.samples.start for p in parts])
    end = torch.cat([p.samples.end for p in parts])
    normals = [p.normals for p in parts if p.normals is not None]
    return _Traced(
        torch.cat([p.pixels for p in parts]),
        Samples(torch.cat(ray), start, end, total),
        torch.cat([p.weights for p in parts]),
        torch.cat([p.points for p in parts]),
        torch.cat([p.density for p in parts]),
        torch.cat(normals) if normals else None,
    )
