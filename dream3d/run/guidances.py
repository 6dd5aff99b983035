"""Prior and loss of a run, and additional guidance terms (``guidance.<name>: {prior, distill, ...}``)."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from dream3d.contracts import NetworkPrior, Student
from dream3d.errors import UserError
from dream3d.noise.image import FreshNoise
from dream3d.optimize import Guidance, Setup
from dream3d.priors.loading.memory import Batch
from dream3d.prompts import PromptEmbeddings
from dream3d.reference.view import PictureView
from dream3d.run.picture import shown
from dream3d.schedule import Constant
from dream3d.seeding import generator
from dream3d.types import Distilled, ScoreModel

PriorOf = Callable[[DictConfig, torch.device], ScoreModel]
"""How a run obtains its prior: ``build_prior``, or a provider that shares one between runs."""


KEYS = ("prior", "prompts", "distill", "weight", "batch_size", "size", "camera")


def build_prior(config: DictConfig, device: torch.device) -> ScoreModel:
    """The frozen prior; loaders that need them receive the device and the expected load as keywords."""
    prior = instantiate(config.prior)
    return prior(device=device, batch=batch_of(config)) if isinstance(prior, partial) else prior


def batch_of(config: DictConfig) -> Batch:
    """What one step sends through the prior, for the memory estimate."""
    rows = 4 if config.prompts.perp_neg else 2
    images = config.batch_size * config.distill.noise_samples
    return Batch(images, rows, config.distill.student is not None)


def build_loss(config: DictConfig, prior: ScoreModel) -> tuple[Callable[..., Distilled], Student | None]:
    """The distillation loss and the student it trains (None if it has none)."""
    loss = instantiate(config.distill.loss)
    if config.distill.student is None:
        return loss, None
    if not isinstance(prior, NetworkPrior):
        raise UserError(
            f"distill.student: got a {type(prior).__name__} prior, which has no network to adapt; "
            "use distill=sds or a diffusion prior"
        )
    student = instantiate(config.distill.student)(prior=prior, generator=generator(config.seed, 0, "student"))
    return partial(loss, student=student), student


def build_noise(config: DictConfig) -> Callable[..., torch.Tensor]:
    """The noise source; runs of versions without this choice have none set."""
    noise = instantiate(config.noise) if config.noise else FreshNoise()
    return noise(seed=config.seed) if isinstance(noise, partial) else noise


def scale_of(loss: Callable[..., Distilled]) -> float | None:
    """The loss's guidance scale; None if it has none, or if it is a schedule."""
    scale = loss.keywords.get("scale") if isinstance(loss, partial) else None
    return scale if isinstance(scale, int | float) else None


def guidance_notes(loss: Callable[..., Distilled]) -> list[str]:
    """The guidance scale in the two conventions in common use; empty for losses without one."""
    scale = scale_of(loss)
    if scale is None:
        return []
    return [
        f"guidance: null + {scale:g} (text - null); that is, text + {scale - 1:g} (text - null), so "
        f"{scale - 1:g} for DreamFusion's omega and in threestudio's text-first losses"
    ]


def compares(loss: Callable[..., Distilled], *, editing: bool) -> bool:
    """Does the loss take the x and the text of an edit's source? Raises UserError for a loss for edits without one."""
    if for_edits(loss) and not editing:
        raise UserError(
            "distill: got a loss for edits, expected edit=outputs/<run> and this loss as the first guidance; or use "
            "distill=sds"
        )
    return "x_src" in inspect.signature(loss).parameters


def for_edits(loss: Callable[..., object]) -> bool:
    """Whether the loss needs an edit's source: its x (``x_src``), or its picture, by which it is guided at an
    ``image_scale``."""
    return not {"x_src", "image_scale"}.isdisjoint(inspect.signature(loss).parameters)


def build_text(config: DictConfig, prior: ScoreModel, prompt: str) -> PromptEmbeddings:
    """The embeddings of a prompt; view-dependent prompts only for priors that are not camera-conditioned."""
    return instantiate(config.prompts)(prior=prior, prompt=prompt, negative=config.negative)


def build_guidances(config: DictConfig, setup: Setup, prior_of: PriorOf) -> dict[str, Guidance]:
    """One for each entry of ``config.guidance``; an entry inherits from the run what it does not set.

    Raises:
        UserError: an entry with other keys, or without a loss of its own and without a prior.
    """
    entries = {str(name): entry for name, entry in config.guidance.items()}
    return {name: build_guidance(name, entry, config, setup, prior_of) for name, entry in entries.items()}


def build_guidance(name: str, entry: DictConfig, config: DictConfig, setup: Setup, prior_of: PriorOf) -> Guidance:
    """Build one additional guidance term from its entry."""
    check_entry(name, entry)
    own = {key: entry[key] for key in ("prior", "prompts", "distill") if entry.get(key) is not None}
    sizes = {key: entry[key] for key in ("batch_size", "size") if entry.get(key) is not None}
    ours: Any = OmegaConf.create({**{key: config[key] for key in config if key not in own}, **own, **sizes})
    prior: ScoreModel = prior_of(ours, setup.device) if "prior" in own else setup.prior
    picture = setup.references.get("image")
    if "prior" in own and isinstance(picture, PictureView):
        prior = shown(prior, picture)
    text = setup.text
    if {"prior", "prompts"} & own.keys():
        text = build_text(ours, prior, ours.prompt)
    loss, student = build_loss(ours, prior)
    compares(loss, editing=False)
    weight = entry.get("weight", 1.0)
    return Guidance(
        prior=prior,
        text=text,
        loss=loss,
        time=instantiate(ours.distill.time),
        weight=Constant(float(weight)) if isinstance(weight, int | float) else instantiate(weight),
        noise_samples=ours.distill.noise_samples,
        student=student,
        camera=instantiate(entry.camera) if entry.get("camera") is not None else None,
        batch_size=entry.get("batch_size"),
        size=entry.get("size"),
    )


def check_entry(name: str, entry: object) -> None:
    """Raise UserError for an empty entry, or one with unknown keys."""
    if not isinstance(entry, DictConfig) or not (entry.get("prior") or entry.get("distill")):
        raise UserError(f"guidance.{name}: got {entry}, expected settings with a prior, a distill, or both")
    if others := [str(key) for key in entry if key not in KEYS]:
        raise UserError(f"guidance.{name}: got {', '.join(others)}, expected some of: {', '.join(KEYS)}")
