"""Shared types of dream3d, their shapes, and the conventions of the whole package.

Conventions (defined here once; other modules refer to them):

* World: right-handed, **+y up, an object's front faces +z** (as glTF), object inside the unit ball.
* Camera: looks down its own -z, +y up in the image; ``c2w`` is the 4x4 camera-to-world matrix.
  Azimuth 0 puts the camera on +z (it sees the front), growing towards +x; elevation grows upwards.
  Radians in code, degrees in yaml.
* Images are ``b h w c`` in [0, 1], row 0 at the top. A rendered ``Image`` holds colour
  **premultiplied by alpha**, and alpha. The background comes later (``Image.over``).
  ``b c h w`` in [-1, 1] exists only inside ``priors/``.
* Guidance: ``null + s (cond - null)``; s = 1 is plain conditional sampling.
* ``alpha_bar[t]`` is the cumulative product of DDPM (arXiv 2006.11239), t an integer in [0, T):
  ``x_t = sqrt(alpha_bar) x + sqrt(1 - alpha_bar) noise``.

Shape letters: b images, v views (cameras), h w pixels, r rays, n samples, c channels, d latent shape.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

Normals = Literal["none", "analytic", "finite"]
"""How the renderer finds normals: not at all, by autograd (the field must be twice differentiable), or by
central differences (six more density evaluations a sample)."""

Shading = Callable[
    [Float[Tensor, "n c"], Float[Tensor, "n 3"], Float[Tensor, "n 3"], Int[Tensor, " n"]],
    Float[Tensor, "n c"],
]
"""(colour, unit normal, point, number of the view it is seen in) -> colour, on packed samples."""


@dataclass(frozen=True)
class Camera:
    """v pinhole cameras. ``fov_y`` is the full vertical field of view in radians."""

    c2w: Float[Tensor, "v 4 4"]
    fov_y: Float[Tensor, " v"]
    azimuth: Float[Tensor, " v"]
    elevation: Float[Tensor, " v"]
    distance: Float[Tensor, " v"]
    height: int
    width: int

    def __len__(self) -> int:
        return self.c2w.shape[0]

    def __getitem__(self, views: slice | Int[Tensor, " n"]) -> "Camera":
        """A sub-batch of the views."""
        return replace(
            self,
            c2w=self.c2w[views],
            fov_y=self.fov_y[views],
            azimuth=self.azimuth[views],
            elevation=self.elevation[views],
            distance=self.distance[views],
        )

    def to(self, device: torch.device | str) -> "Camera":
        """On another device, transferred asynchronously."""
        return replace(
            self,
            c2w=self.c2w.to(device, non_blocking=True),
            fov_y=self.fov_y.to(device, non_blocking=True),
            azimuth=self.azimuth.to(device, non_blocking=True),
            elevation=self.elevation.to(device, non_blocking=True),
            distance=self.distance.to(device, non_blocking=True),
        )

    def resized(self, height: int, width: int) -> "Camera":
        """The same views at another resolution."""
        return replace(self, height=height, width=width)


@dataclass(frozen=True)
class Rays:
    """One ray a pixel; directions have unit length."""

    origin: Float[Tensor, "b h w 3"]
    direction: Float[Tensor, "b h w 3"]


@dataclass(frozen=True)
class Samples:
    """Packed samples along r flattened rays, sorted by ray, then by distance.

    ``ray[i]`` says which of the ``n_rays`` rays sample i is on; it covers [start, end] of it.
    """

    ray: Int[Tensor, " n"]
    start: Float[Tensor, " n"]
    end: Float[Tensor, " n"]
    n_rays: int


@dataclass(frozen=True)
class Surface:
    """A field's values at n points: density (1/length), colour in [0, 1] (or latent channels)."""

    density: Float[Tensor, " n"]
    colour: Float[Tensor, "n c"]


@dataclass(frozen=True)
class Image:
    """Premultiplied colour and alpha."""

    colour: Float[Tensor, "b h w c"]
    alpha: Float[Tensor, "b h w 1"]

    def over(self, background: Float[Tensor, "#b #h #w c"]) -> Float[Tensor, "b h w c"]:
        """Composite over a background: ``colour + (1 - alpha) background`` (Porter and Duff 1984)."""
        return self.colour + (1 - self.alpha) * background


@dataclass(frozen=True)
class Render:
    """The output of both renderers (volume, mesh).

    ``depth`` is the expected ray distance premultiplied by alpha; ``normal`` is the world-space
    normal premultiplied by alpha, None unless requested. ``weights`` and ``samples`` are
    those of volume rendering (None for meshes) and serve the regularisers; so do ``points``,
    ``density`` and ``normals`` of the samples (``normals`` only if requested). ``mesh`` is
    what was rasterised, ``grid`` what it was extracted from (None for volumes); both carry gradients.
    """

    image: Image
    depth: Float[Tensor, "b h w 1"]
    normal: Float[Tensor, "b h w 3"] | None = None
    rays: Rays | None = None
    samples: Samples | None = None
    weights: Float[Tensor, " n"] | None = None
    points: Float[Tensor, "n 3"] | None = None
    density: Float[Tensor, " n"] | None = None
    normals: Float[Tensor, "n 3"] | None = None
    mesh: "Mesh | None" = None
    grid: "SignedGrid | None" = None


@dataclass(frozen=True)
class SignedGrid:
    """Cells with signed distances (negative inside) at their corners, which are moved by ``offset``.

    ``nodes`` are where the corners are, offsets included; ``spacing`` is the size of the lattice's cubes.
    ``cells`` are tetrahedra (4 corners) or cubes (8, the number's bits 4, 2 and 1 being x, y and z): all that
    the surface runs through, and maybe others. ``deviation`` is there for FlexiCubes: of every vertex, how
    unevenly far the crossings are that it is the mean of (``geometry/flexicubes.py``).
    """

    nodes: Float[Tensor, "n 3"]
    offset: Float[Tensor, "n 3"]
    sdf: Float[Tensor, " n"]
    cells: Int[Tensor, "t k"]
    spacing: float
    deviation: Float[Tensor, " d"] | None = None


@dataclass(frozen=True)
class Mesh:
    """Triangles in world space. Colours are sRGB in [0, 1], one a vertex; ``uv`` has v = 0 at the bottom.

    Texels, row 0 at the top, exist after baking: ``texture``, ``material`` (roughness, metallic), ``occlusion`` (1:
    open), ``normal_map`` (0.5 + 0.5 (t, b, n)). ``placement`` (x, y, z, s): a file's mesh was at ``s p + (x, y, z)``.
    """

    vertices: Float[Tensor, "v 3"]
    faces: Int[Tensor, "f 3"]
    colours: Float[Tensor, "v 3"] | None = None
    normals: Float[Tensor, "v 3"] | None = None
    uv: Float[Tensor, "v 2"] | None = None
    texture: Float[Tensor, "h w 3"] | None = None
    material: Float[Tensor, "h w 2"] | None = None
    placement: Float[Tensor, "4"] | None = None
    occlusion: Float[Tensor, "h w 1"] | None = None
    normal_map: Float[Tensor, "h w 3"] | None = None


@dataclass(frozen=True)
class Conditioning:
    """Embedded prompts for a batch, one row an image: condition, null, and per-image negatives.

    ``negatives`` and ``weights`` (k per image) are those of Perp-Neg (arXiv 2304.04968), else None.
    ``camera`` (``b 17``: flattened c2w and fov_y) is for priors that are conditioned on the camera;
    other priors ignore it.
    ``plain`` is the prompt without view words, for VSD's student if the prior is not conditioned on the
    camera (None: ``cond`` is used). ``contrast`` is the negative prompt of CSD or the source prompt of
    SDS-Bridge (None: ``null`` is used).
    ``control`` is an image of each render, [0, 1], for priors conditioned on one (ControlNet).
    """

    cond: Float[Tensor, "b ..."]
    null: Float[Tensor, "b ..."]
    camera: Float[Tensor, "b 17"] | None = None
    negatives: Float[Tensor, "b k ..."] | None = None
    weights: Float[Tensor, "b k"] | None = None
    plain: Float[Tensor, "b ..."] | None = None
    contrast: Float[Tensor, "b ..."] | None = None
    control: Float[Tensor, "b 3 y x"] | None = None


@dataclass(frozen=True)
class NoisePrediction:
    """Noise predictions of one batched call of a prior; all detached, shaped like x_t."""

    cond: Float[Tensor, "b *d"]
    null: Float[Tensor, "b *d"]
    negatives: Float[Tensor, "b k *d"] | None = None
    weights: Float[Tensor, "b k"] | None = None


@dataclass(frozen=True)
class Distilled:
    """The result of a distillation loss on x.

    ``loss`` is the surrogate ``0.5 ||x - sg(x - grad)||^2 / b`` whose gradient with respect to x
    is ``grad / b``; its value is half the mean squared gradient norm, a useful thing to log.
    """

    loss: Float[Tensor, ""]
    grad: Float[Tensor, "b *d"]


@runtime_checkable
class Field(Protocol):
    """A radiance field in the unit ball. Any ``nn.Module`` with these two methods is one that can be trained;
    what else a field may have is in ``contracts.py``."""

    def density(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Volume density at x, >= 0, 0 outside the unit ball."""
        ...

    def surface(self, x: Float[Tensor, "n 3"]) -> Surface:
        """Density and colour at x."""
        ...


@runtime_checkable
class Explicit(Protocol):
    """A field whose surface is a mesh: rendered by ``render/surface.py``, exported as it is."""

    def extract(self) -> tuple[Mesh, SignedGrid | None]:
        """The surface and what it is extracted from (None for a mesh that came ready), with gradient where
        it can be trained."""
        ...

    def density(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """A constant: so that an explicit field is a ``Field`` as well."""
        ...

    def surface(self, x: Float[Tensor, "n 3"]) -> Surface:
        """Colour at points of the surface (the density carries no information)."""
        ...


@runtime_checkable
class ScoreModel(Protocol):
    """A frozen 2D diffusion model of any family, as an epsilon predictor.

    Attributes: ``alpha_bar`` (T,), ``resolution`` (the height and width in pixels of the images
    it takes). Optional parts of a prior are in ``contracts.py``.
    """

    alpha_bar: Float[Tensor, " T"]
    resolution: int

    def embed(self, prompts: list[str]) -> Float[Tensor, "b ..."]:
        """Text embeddings, run once a prompt (``prompts.PromptEmbeddings`` caches them)."""
        ...

    def encode(
        self, image: Image, background: Float[Tensor, "#b #h #w c"], generator: Generator | None
    ) -> Float[Tensor, "b *d"]:
        """A rendered image to the space of x, with gradient. ``generator`` is for encoders that sample (a VAE's
        posterior), which raise ValueError without one; others ignore it."""
        ...

    def eps(self, x_t: Float[Tensor, "b *d"], t: Int[Tensor, " b"], text: Conditioning) -> NoisePrediction:
        """Noise predictions, without gradient."""
        ...
