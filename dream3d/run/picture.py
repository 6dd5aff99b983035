"""``image=cat.png`` in a run: read, told to the priors that look at pictures, and made a reference view."""

from dataclasses import dataclass
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from PIL import Image as Pillow

from dream3d.errors import UserError
from dream3d.optimize import Setup
from dream3d.reference.load import load_source, view_of
from dream3d.reference.view import PictureView, Reference
from dream3d.report.files import replacing
from dream3d.report.pictures import to_bytes


@dataclass(frozen=True)
class Seen:
    """The picture of a run: its reference view, and what to say of it."""

    view: PictureView
    warnings: tuple[str, ...] = ()


def reference_of(config: DictConfig) -> Seen | None:
    """The picture that a run is to look like; None where there is none.

    Raises:
        UserError: the picture cannot be used, or nothing says what it shows.
    """
    if config.image.get("file") is None:
        return None
    reference: Reference = instantiate(config.image)
    source = load_source(reference)
    if not config.prompt.strip():
        raise UserError('prompt: got an empty text, and this prior cannot name the picture; say prompt="a cat"')
    return Seen(view_of(reference, source), source.picture.notes)


def write_references(setup: Setup, folder: Path) -> None:
    """reference.png: what the renders from the picture's camera are compared with."""
    for view in setup.references.values():
        if isinstance(view, PictureView):
            image = view.target.image
            alpha = image.alpha[0].clamp(0, 1)
            rgba = torch.cat((image.colour[0] / alpha.clamp(min=1e-6), alpha), dim=-1)
            with replacing(folder / "reference.png") as partial:
                Pillow.fromarray(to_bytes(rgba).numpy()).save(partial)
