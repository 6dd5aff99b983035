"""The interfaces of the training loop's parts, as Protocols: implement the methods, no subclassing needed.

``Field``, ``Explicit`` and ``ScoreModel`` (``types.py``) are the core. Here is what else is called on every field,
renderer, background and student, and small optional Protocols of fields and priors.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict, runtime_checkable

from jaxtyping import Float
from torch import Generator, Tensor, nn

from dream3d.types import (
    Camera,
    Conditioning,
    Field,
    Image,
    Mesh,
    Normals,
    Rays,
    Render,
    ScoreModel,
    Shading,
    SignedGrid,
)


@runtime_checkable
class Stateful(Protocol):
    """Has a state for checkpoints. Every ``nn.Module`` is one."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: Mapping[str, Any], /) -> object: ...


@runtime_checkable
class TrainableField(Field, Stateful, Protocol):
    """A trainable field: any ``nn.Module`` with ``density`` and ``surface``."""

    def parameters(self) -> Iterator[nn.Parameter]: ...
    def modules(self) -> Iterator[nn.Module]: ...


@runtime_checkable
class MeshShape(Stateful, Protocol):
    """The geometry of a ``fields/mesh_field.py``, an ``nn.Module``."""

    def extract(self) -> tuple[Mesh, SignedGrid | None]:
        """The mesh, and the grid it is extracted from (None for a fixed mesh)."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]: ...


@runtime_checkable
class Renderer(Stateful, Protocol):
    """Renders a field from cameras; implemented in ``render/volume.py`` and ``render/surface.py``."""

    def update(self, field: Field, step: int, generator: Generator) -> None:
        """Called once a step, before rendering: update cached data of the field (an occupancy grid)."""
        ...

    def __call__(
        self,
        field: Field,
        camera: Camera,
        generator: Generator | None = None,
        *,
        normals: Normals = "none",
        shading: Shading | None = None,
    ) -> Render: ...


@runtime_checkable
class Background(Stateful, Protocol):
    """Rays to colours that broadcast to ``b h w c``; parameters, if it has any, are trained with the field's."""

    def parameters(self) -> Iterator[nn.Parameter]: ...
    def __call__(self, rays: Rays, generator: Generator | None) -> Tensor: ...


@runtime_checkable
class Student(Stateful, Protocol):
    """The score model that VSD trains (``priors/lora.py``), after the field's update, or before it if ``first``."""

    first: bool

    def train(self, x: Tensor, text: Conditioning, generator: Generator) -> Tensor: ...


@runtime_checkable
class ReferenceView(Protocol):
    """A reference image of the object: its camera, and losses of renders from that camera."""

    @property
    def normals(self) -> Normals:
        """The normals that its losses need from the renderer."""
        ...

    def camera(self, step: int, size: int) -> Camera | None:
        """The view for this step, of ``size`` pixels unless it has its own size; None: skip this step."""
        ...

    def losses(self, render: Render, step: int, generator: Generator) -> dict[str, Float[Tensor, ""]]:
        """Losses by name, multiplied by their weights."""
        ...


@dataclass(frozen=True)
class Pair:
    """An edit and its frozen source: both fields, and their renders from the same cameras with the same streams."""

    field: Field
    source: Field
    render: Render
    source_render: Render


# Of fields.


class ParameterGroup(TypedDict):
    """Parameters trained at ``lr_scale`` times the scheduled learning rate."""

    params: list[nn.Parameter]
    name: str
    lr_scale: float


@runtime_checkable
class OwnParameterGroups(Protocol):
    """Parts that are trained at different learning rates."""

    def parameter_groups(self) -> list[ParameterGroup]: ...


def parameter_groups(module: nn.Module | TrainableField | MeshShape) -> list[ParameterGroup]:
    """The module's own groups, or else one of all its trainable parameters at the scheduled rate."""
    if isinstance(module, OwnParameterGroups):
        return module.parameter_groups()
    trainable = [p for p in module.parameters() if p.requires_grad]
    return [{"params": trainable, "name": type(module).__name__.lower(), "lr_scale": 1.0}]


@runtime_checkable
class CoarseToFine(Protocol):
    """A field whose level of detail depends on the step."""

    def at_step(self, step: int) -> None:
        """Called before every step; a large ``step`` switches every level on."""
        ...


def at_step(field: object, step: int) -> None:
    """Pass the step to a ``CoarseToFine`` field; others are unchanged."""
    if isinstance(field, CoarseToFine):
        field.at_step(step)


@runtime_checkable
class WithMaterial(Protocol):
    """A field with roughness and metallic, (n, 3) -> (n, 2); None if switched off."""

    @property
    def material(self) -> nn.Module | None:
        """The module of roughness and metallic."""
        ...


def material_of(field: object) -> nn.Module | None:
    """The field's material, None if it has none."""
    return field.material if isinstance(field, WithMaterial) else None


@runtime_checkable
class Regional(Protocol):
    """A field that is edited in a region (``fields/edited.py``)."""

    everywhere: bool

    def share(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """1 inside the region, 0 outside, in between on its border."""
        ...


# Of priors.


@runtime_checkable
class CameraConditioned(Protocol):
    """A prior whose network may take the camera (``Conditioning.camera``).

    If ``camera_conditioned`` is True, prompts do not describe the view; priors without this attribute count as
    False.
    """

    @property
    def camera_conditioned(self) -> bool: ...


def camera_conditioned(prior: object) -> bool:
    """Whether the prior's network takes the camera, so that prompts need not describe the view."""
    return isinstance(prior, CameraConditioned) and prior.camera_conditioned


@runtime_checkable
class RenderConditioned(Protocol):
    """A prior conditioned on the current render, as with a ControlNet (``Conditioning.control``)."""

    def condition(self, render: Render, camera: Camera) -> Float[Tensor, "b 3 y x"] | None:
        """The conditioning image, [0, 1]; None if it needs none in this step."""
        ...


@runtime_checkable
class SourceConditioned(RenderConditioned, Protocol):
    """A prior that may look at what is edited rather than at the current render (InstructPix2Pix)."""

    @property
    def sees_source(self) -> bool: ...


def sees_source(prior: object) -> bool:
    """Is the prior to be shown the source of an edit?"""
    return isinstance(prior, SourceConditioned) and prior.sees_source


@runtime_checkable
class ChecksPrompts(Protocol):
    """A prior that can tell which prompts it does not support."""

    def warnings(self, prompt: str, texts: Sequence[str]) -> list[str]:
        """One line for each unknown word in the prompt, and for each truncated text of ``texts``."""
        ...


@runtime_checkable
class WithNotes(Protocol):
    """A prior or prompt embeddings with notes for the user."""

    @property
    def notes(self) -> Sequence[str]:
        """One line for each note."""
        ...


def notes_of(part: object) -> list[str]:
    """The part's notes, [] if it has none."""
    return list(part.notes) if isinstance(part, WithNotes) else []


@runtime_checkable
class LooksAtPicture(Protocol):
    """A prior that makes the object of a picture, as Zero-1-to-3 does, and needs no words."""

    def show(self, image: Image, camera: Camera) -> ScoreModel:
        """The prior, shown this picture."""
        ...


@runtime_checkable
class KnowsObjects(Protocol):
    """A prior that knows the very objects of its images, and so where in the frame they are."""

    def views(self, camera: Camera) -> Image:
        """Every object from the one camera, in its resolution."""
        ...


@runtime_checkable
class FreesText(Protocol):
    """A prior whose text encoders can be dropped once the prompts are embedded."""

    def free_text(self) -> None: ...


@runtime_checkable
class Decodes(Protocol):
    """A prior whose x is not yet an image."""

    def decode(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, "b h w c"]:
        """x to images in [0, 1], with gradient."""
        ...


@runtime_checkable
class LatentPrior(Decodes, Protocol):
    """A prior whose x may be latents."""

    def affine_rgb(self) -> Float[Tensor, "d 3"] | None:
        """M such that ``[latent, 1] M`` approximates RGB; None if x is pixels."""
        ...


@runtime_checkable
class NetworkPrior(Protocol):
    """A prior with a network, which a student can adapt (``distill.student``)."""

    unet: nn.Module
