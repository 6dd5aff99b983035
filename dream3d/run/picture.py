"""``image=cat.png`` in a run: read, told to priors that know what pictures show, and made a reference view."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from PIL import Image as Pillow

from dream3d.contracts import KnowsObjects, LooksAtPicture
from dream3d.errors import UserError
from dream3d.optimize import Setup
from dream3d.priors.addons.textual_inversion import picture_words
from dream3d.priors.mini.family import MiniFamily
from dream3d.priors.mini.lifting import Recognised, recognise, told, volumes_of
from dream3d.priors.mini.volumes import Volumes
from dream3d.priors.pipeline import Pipeline
from dream3d.prompts import PromptEmbeddings
from dream3d.reference.framing import Box, box_in
from dream3d.reference.load import Source, load_source, view_of
from dream3d.reference.view import PictureView, Reference
from dream3d.report.files import replacing
from dream3d.report.pictures import to_bytes
from dream3d.seeding import generator
from dream3d.types import Image, ScoreModel

PIXELS = 256  # at which objects that a prior knows are placed
UNNAMED = 'prompt: got an empty text, and this prior cannot caption the image; use prompt="a cat"'


@dataclass(frozen=True)
class Seen:
    """The picture of a run: its reference view, the prior that was told of it, and what to say."""

    view: PictureView
    prior: ScoreModel
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def seen_picture(config: DictConfig, prior: ScoreModel) -> Seen | None:
    """The image that the object should match; None without one. A prompt and a pose that are not given are
    found by the prior and written into the configuration, so that a resumed run has them.

    Raises:
        UserError: the picture cannot be used, or nothing says what it shows or from where.
    """
    if config.image.get("file") is None:
        if isinstance(prior, LooksAtPicture):
            raise UserError("prior: got no image, but this prior needs one; pass image=cat.png")
        return None
    reference: Reference = instantiate(config.image)
    source = load_source(reference)
    if isinstance(prior, LooksAtPicture):
        config.prompt = config.prompt.strip() or Path(str(reference.file)).stem
        view = view_of(reference, source)
        return Seen(view, shown(prior, view), source.picture.notes)
    volumes = volumes_for(config, reference, prior)
    found = None if volumes is None else recognised(config, reference, source, prior, volumes)
    if volumes is None or found is None:
        if not config.prompt.strip():
            raise UserError(UNNAMED)
        if reference.pose == "auto":
            raise UserError("image.pose: got auto, but this prior cannot find it; give image.azimuth")
        return Seen(view_of(reference, source, known_box(reference, source, prior)), prior, source.picture.notes)
    reference, notes = settled(config, reference, found)
    view = view_of(reference, source, Box(*found.box))
    if reference.invert and isinstance(prior, Pipeline):
        prior = with_picture(prior, volumes, view, found, config.seed)
        notes = (*notes, f"the prior's {found.noun} now has the shape and colours of the picture")
    return Seen(view, prior, source.picture.notes, notes)


def shown(prior: ScoreModel, view: PictureView) -> ScoreModel:
    """The prior, shown the picture where it looks at one."""
    return prior.show(view.target.image, view.reference.camera(8)) if isinstance(prior, LooksAtPicture) else prior


def known_box(reference: Reference, source: Source, prior: ScoreModel) -> Box | None:
    """Where the prior's own object is that looks most like the picture; None of priors that do not know theirs.

    A picture that is placed elsewhere, or at another size, pulls against all that the prior says."""
    if not (reference.fit and isinstance(prior, KnowsObjects)):
        return None
    views = prior.views(reference.camera(PIXELS))
    found = []
    for colour, alpha in zip(views.colour, views.alpha, strict=True):
        if bool((alpha > 0.5).any()):
            box = box_in(alpha[..., 0])
            image = source.target(reference, box).resized(PIXELS).image
            away = (image.colour[0] - colour).square().sum() + (image.alpha[0] - alpha).square().sum()
            found.append((float(away), box))
    return min(found, key=lambda pair: pair[0])[1] if found else None


def volumes_for(config: DictConfig, reference: Reference, prior: ScoreModel) -> Volumes | None:
    """The embedded prior's volumes; None of other priors, and where nothing is to be found."""
    family = prior.family if isinstance(prior, Pipeline) else None
    wanted = not config.prompt.strip() or reference.pose == "auto" or reference.invert
    return volumes_of(family) if wanted and isinstance(family, MiniFamily) else None


def recognised(
    config: DictConfig, reference: Reference, source: Source, prior: ScoreModel, volumes: Volumes
) -> Recognised | None:
    """What the embedded prior sees in the picture."""
    family = prior.family if isinstance(prior, Pipeline) else None
    assert isinstance(family, MiniFamily)
    alpha = source.picture.alpha[..., None]
    rgba = torch.cat((source.picture.colour * alpha, alpha), dim=-1)
    return recognise(family, volumes, rgba, reference.camera(8), config.prompt, reference.pose == "given")


def settled(config: DictConfig, reference: Reference, found: Recognised) -> tuple[Reference, tuple[str, ...]]:
    """The reference with what was found, which the configuration keeps; lines for the user."""
    notes: tuple[str, ...] = ()
    if not config.prompt.strip():
        config.prompt = f"a {found.noun}"
        others = f" (or {', '.join(found.others)}: say prompt=)" if found.others else ""
        notes = (f"the picture looks like a {found.noun}{others}",)
    if reference.pose == "auto":
        azimuth, elevation = (round(math.degrees(angle), 1) for angle in (found.azimuth, found.elevation))
        config.image.pose, config.image.azimuth, config.image.elevation = "given", azimuth, elevation
        notes = (*notes, f"seen from azimuth {azimuth:g}, elevation {elevation:g} degrees")
        reference = replace(reference, pose="given", azimuth=azimuth, elevation=elevation)
    return reference, notes


def with_picture(prior: Pipeline, volumes: Volumes, view: PictureView, found: Recognised, seed: int) -> Pipeline:
    """The embedded prior whose shape of the noun is the picture's."""
    family, image = prior.family, view.target.image
    assert isinstance(family, MiniFamily)
    rgba = torch.cat((image.colour, image.alpha), dim=-1)[0]
    camera = view.reference.camera(8)
    try:
        return replace(prior, family=told(family, volumes, found, rgba, camera, generator(seed, 0, "image")))
    except ValueError as error:  # the planes' surface is gone
        raise UserError(
            f"image: the prior's {found.noun} cannot be made to fit the picture ({error}); use image.invert=false"
        ) from error


def learn_words(config: DictConfig, prior: ScoreModel, text: PromptEmbeddings, view: PictureView) -> None:
    """Move the prompt's embeddings towards the picture, where that is asked for.

    Raises:
        UserError: a prior whose network cannot be asked with gradient.
    """
    reference = view.reference
    if not reference.word_steps:
        return
    if not isinstance(prior, Pipeline):
        raise UserError("image.word_steps: got a prior without words to learn; use image.word_steps=0")
    draw, device = generator(config.seed, 0, "words"), prior.alpha_bar.device
    camera = reference.camera(8)
    image = Image(view.target.image.colour.to(device), view.target.image.alpha.to(device))
    x = prior.encode(image, torch.ones(1, 1, 1, 3, device=device), draw).detach()
    told = text(camera)
    assert told.camera is not None
    shift = picture_words(prior, told.cond, x, told.camera, draw, steps=reference.word_steps, lr=reference.word_lr)
    text.texts = text.texts + shift


def write_references(setup: Setup, folder: Path) -> None:
    """reference.png: what the renders from the picture's camera are compared with."""
    for view in setup.references.values():
        if isinstance(view, PictureView):
            image = view.target.image
            alpha = image.alpha[0].clamp(0, 1)
            rgba = torch.cat((image.colour[0] / alpha.clamp(min=1e-6), alpha), dim=-1)
            with replacing(folder / "reference.png") as partial:
                Pillow.fromarray(to_bytes(rgba).numpy()).save(partial)
