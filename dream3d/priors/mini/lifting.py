"""What the embedded prior makes of a picture: its noun, its camera, and a shape that looks like it."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.priors.mini import words
from dream3d.priors.mini.family import MiniFamily
from dream3d.priors.mini.inversion import inverted, outline_of
from dream3d.priors.mini.latents import surface_of
from dream3d.priors.mini.likeness import coloured_as
from dream3d.priors.mini.painting import Painter
from dream3d.priors.mini.recognition import around, looks_of, recognised, turned
from dream3d.priors.mini.volumes import Volumes, load_volumes
from dream3d.priors.mini.words import Shape
from dream3d.types import Camera

PICTURE = "the picture"  # the shape's name beside those of the latents
AZIMUTHS, ELEVATIONS = (
    tuple(map(float, range(-180, 180, 30))),
    (0.0, 20.0),
)  # degrees, where nothing is known of the camera
TURNS = ((14.0, 60), (7.0, 30), (4.0, 12))  # degrees to try beside the best cameras, of so many models
SIZE = 64


@dataclass(frozen=True)
class Recognised:
    """The noun, the model that looks most like the picture, the camera's angles in radians, where the object is in the
    frame from there (centre and larger extent, as shares), and the runners-up among the nouns."""

    noun: str
    model: str
    azimuth: float
    elevation: float
    box: tuple[float, float, float]
    others: tuple[str, ...]


def recognise(
    family: MiniFamily, volumes: Volumes, rgba: Float[Tensor, "h w 4"], camera: Camera, prompt: str, pose_known: bool
) -> Recognised | None:
    """What the picture (premultiplied) shows, the prompt's noun or the most similar of all, and from where: the
    camera's own angles, or the best of those all round. None where no model has the noun."""
    meant = words.meaning(prompt, family.concepts) if prompt.strip() else None
    noun = None if meant is None else meant.concept
    cameras = camera if pose_known else around(camera, AZIMUTHS, ELEVATIONS)
    looks = looks_of(rgba)
    found = recognised(volumes, looks, cameras, noun)
    for turn, keep in () if pose_known else TURNS:
        found, cameras = turned(volumes, looks, found[:keep], cameras, turn) if found else (found, cameras)
    if not found:
        return None
    best = found[0]
    nouns = dict.fromkeys(n for match in found for n in volumes.nouns[match.model] if n in family.shapes)
    azimuth, elevation = float(cameras.azimuth[best.camera]), float(cameras.elevation[best.camera])
    named = noun or next(iter(nouns))
    others = tuple(n for n in nouns if n != named)[:3]
    return Recognised(named, volumes.names[best.model], azimuth, elevation, best.box, others)


def volumes_of(family: MiniFamily) -> Volumes | None:
    """The volumes of the prior's folder; None where it has none, or its shapes are not painted."""
    return None if family.painter is None else load_volumes(family.painter.latents.file.parent)


def told(
    family: MiniFamily,
    volumes: Volumes,
    found: Recognised,
    rgba: Float[Tensor, "s s 4"],
    camera: Camera,
    generator: Generator,
) -> MiniFamily:
    """The family whose shape of the noun is that of the picture, in its colours: the noun's latent, inverted.

    ``rgba`` is premultiplied and what the camera sees. Other nouns stay as they are.
    """
    assert family.painter is not None
    latents = family.painter.latents
    planes = latents.latent(family.shapes[found.noun].latent)
    small = torch.nn.functional.interpolate(rgba.permute(2, 0, 1)[None], size=SIZE, mode="area")[0].permute(1, 2, 0)
    outline = outline_of(small[..., 3], camera)
    fitted = inverted(latents.decoder, planes, outline, volumes.of(found.model), generator)
    surface = coloured_as(surface_of(latents.decoder, fitted), rgba, camera)
    shown = latents.with_surface(PICTURE, surface)
    return replace(family, painter=Painter(shown), shapes={**family.shapes, found.noun: Shape(PICTURE, False)})
