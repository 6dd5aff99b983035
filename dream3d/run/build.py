"""From a configuration to a ``Setup``: every object is made here, by Hydra's ``_target_``."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from dream3d.cameras import pixel_rays, turntable
from dream3d.contracts import (
    Background,
    ChecksPrompts,
    FreesText,
    LatentPrior,
    NetworkPrior,
    Student,
    TrainableField,
    notes_of,
    parameter_groups,
)
from dream3d.errors import UserError
from dream3d.fields.hashgrid import HashGrid
from dream3d.fields.latents import latents_of
from dream3d.noise.image import FreshNoise
from dream3d.optimize import Regulariser, Setup
from dream3d.priors.loading.memory import Batch
from dream3d.prompts import PromptEmbeddings
from dream3d.run.construction_errors import restoring
from dream3d.seeding import generator
from dream3d.types import Distilled, ScoreModel

PriorOf = Callable[[DictConfig, torch.device], ScoreModel]
"""Where a run's prior comes from: ``build_prior``, or something that shares one between runs."""


def device_of(name: str) -> torch.device:
    """``auto`` is CUDA where there is one. Raises UserError when CUDA is asked for in vain."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise UserError(
            f"device: got '{name}', but this machine (or this torch build) has {count} CUDA devices; say device=cpu"
        )
    return device


def build_prior(config: DictConfig, device: torch.device) -> ScoreModel:
    """The frozen prior; loaders that need a device take it, and what will go through it, as keywords."""
    prior = instantiate(config.prior)
    return prior(device=device, batch=batch_of(config)) if isinstance(prior, partial) else prior


def batch_of(config: DictConfig) -> Batch:
    """What a step sends through the prior at once, for the estimate of memory."""
    rows = 4 if config.prompts.perp_neg else 2
    images = config.batch_size * config.distill.noise_samples
    return Batch(images, rows, config.distill.student is not None)


def build_text(config: DictConfig, prior: ScoreModel) -> PromptEmbeddings:
    """The prompt table; view-dependent prompts only for priors that are not camera-conditioned."""
    return instantiate(config.prompts)(prior=prior, prompt=config.prompt, negative=config.negative)


def embedded_text(config: DictConfig, prior: ScoreModel, prior_of: PriorOf) -> PromptEmbeddings:
    """The prompt table; the text encoders of an owned prior are freed, a shared one keeps them."""
    text = build_text(config, prior)
    if prior_of is build_prior and isinstance(prior, FreesText):
        prior.free_text()
    return text


def build_fields(config: DictConfig, device: torch.device) -> list[TrainableField]:
    """One field a particle, each from its own random stream."""
    make = instantiate(config.field)
    return [make(generator=generator(config.seed, i, "field")).to(device) for i in range(config.particles)]


@torch.no_grad()
def teach_rgb(fields: Sequence[TrainableField], backgrounds: Sequence[Background], prior: ScoreModel) -> None:
    """Tell fields made of latents how latents look in RGB.

    Raises UserError where the prior has no such latents, or the background has not as many channels.
    """
    latents = [item for field in fields for item in latents_of(field)]
    if not latents:
        return
    channels = len(latents[0].to_rgb) - 1
    matrix = prior.affine_rgb() if isinstance(prior, LatentPrior) else None
    if matrix is None or len(matrix) != channels + 1:
        wanted = "pixels, so 3" if matrix is None else f"latents of {len(matrix) - 1} channels"
        raise UserError(
            f"field: got {channels} colour channels (latents), but this prior works on {wanted}; "
            "set the field's colour_channels accordingly, or choose another prior"
        )
    got = backgrounds[0](pixel_rays(turntable(1, 0.0, 3.0, 0.7, 1).to(matrix.device)), None).shape[-1]
    if got != channels:
        raise UserError(
            f"background: got {got} channels, expected the field's {channels}; say background=random "
            f"background.channels={channels}"
        )
    for item in latents:
        item.to_rgb.copy_(matrix)


def build_optimizer(config: DictConfig, field: TrainableField, background: Background) -> torch.optim.Optimizer:
    """Parameter groups of field and background, each at its fraction (``lr_scale``) of the scheduled rate."""
    lr = instantiate(config.optimizer.lr)
    groups = parameter_groups(field)
    if trained := list(background.parameters()):
        groups = [*groups, {"params": trained, "name": "background", "lr_scale": 0.1}]
    return instantiate(config.optimizer.algorithm)([{**g, "lr": lr(0) * g["lr_scale"]} for g in groups])


def build_loss(config: DictConfig, prior: ScoreModel) -> tuple[Callable[..., Distilled], Student | None]:
    """The distillation loss, and the student that it wants (None where it wants none)."""
    loss = instantiate(config.distill.loss)
    if config.distill.student is None:
        return loss, None
    if not isinstance(prior, NetworkPrior):
        raise UserError(
            f"distill.student: got a {type(prior).__name__} prior, which has no network to adapt; "
            "say distill=sds or use a diffusion prior"
        )
    student = instantiate(config.distill.student)(prior=prior, generator=generator(config.seed, 0, "student"))
    return partial(loss, student=student), student


def build_noise(config: DictConfig) -> Callable[..., torch.Tensor]:
    """Where the noise comes from; a run from before there was a choice has none set."""
    noise = instantiate(config.noise) if config.noise else FreshNoise()
    return noise(seed=config.seed) if isinstance(noise, partial) else noise


def scale_of(loss: Callable[..., Distilled]) -> float | None:
    """The loss's guidance scale; None where it has none, or a schedule."""
    scale = loss.keywords.get("scale") if isinstance(loss, partial) else None
    return scale if isinstance(scale, int | float) else None


def guidance_notes(loss: Callable[..., Distilled]) -> list[str]:
    """The guidance scale in the two conventions in common use; nothing for losses that have none."""
    scale = scale_of(loss)
    if scale is None:
        return []
    return [
        f"guidance: null + {scale:g} (text - null); that is text + {scale - 1:g} (text - null), so "
        f"{scale - 1:g} for DreamFusion's omega and in threestudio's text-first losses"
    ]


def build(config: DictConfig, prior_of: PriorOf = build_prior) -> Setup:
    """Everything the loop needs; ``prior_of`` may hand out a prior that is loaded already.

    Errors of constructors come through as they are."""
    device = device_of(config.device)
    prior = prior_of(config, device)
    text = embedded_text(config, prior, prior_of)
    fields = build_fields(config, device)
    backgrounds = [instantiate(config.background).to(device) for _ in fields]
    teach_rgb(fields, backgrounds, prior)
    loss, student = build_loss(config, prior)
    return Setup(
        fields=fields,
        renderers=[instantiate(config.render).to(device) for _ in fields],
        prior=prior,
        text=text,
        camera=instantiate(config.camera),
        loss=loss,
        time=instantiate(config.distill.time),
        noise=build_noise(config),
        noise_samples=config.distill.noise_samples,
        student=student,
        backgrounds=backgrounds,
        shading=instantiate(config.shading),
        regularisers={
            name: Regulariser(instantiate(item.loss), instantiate(item.weight))
            for name, item in (config.regularize or {}).items()
        },
        optimizers=[build_optimizer(config, *pair) for pair in zip(fields, backgrounds, strict=True)],
        lr=instantiate(config.optimizer.lr),
        clip=config.optimizer.clip,
        batch_size=config.batch_size,
        size=config.size,
        seed=config.seed,
        device=device,
        warnings=prior.warnings(config.prompt, text.prompts) if isinstance(prior, ChecksPrompts) else [],
        notes=[*notes_of(prior), *text.notes, *guidance_notes(loss)],
    )


def accelerators(setup: Setup) -> dict[str, str]:
    """Which twin of each accelerated path ran, for the run's manifest."""
    cuda, field, prior = setup.device.type == "cuda", setup.fields[0], setup.prior
    weights = prior.unet.parameters() if isinstance(prior, NetworkPrior) else iter(())
    kind = next((str(weight.dtype) for weight in weights), "exact")
    return {
        "device": str(setup.device),
        "hash grid": field.backend if isinstance(field, HashGrid) else "none",
        "compositing": "nerfacc" if cuda else "torch",
        "prior": kind.removeprefix("torch."),
    }


def state_of(setup: Setup) -> dict[str, Any]:
    """What a checkpoint holds of a setup."""
    return {
        "fields": [f.state_dict() for f in setup.fields],
        "renderers": [r.state_dict() for r in setup.renderers],
        "backgrounds": [b.state_dict() for b in setup.backgrounds],
        "optimizers": [o.state_dict() for o in setup.optimizers],
        "student": None if setup.student is None else setup.student.state_dict(),
    }


def restore(setup: Setup, state: dict[str, Any]) -> None:
    """Put a checkpoint's state back. Raises UserError when it belongs to another configuration."""
    with restoring():
        parts = {"fields": setup.fields, "renderers": setup.renderers, "backgrounds": setup.backgrounds}
        for name, items in {**parts, "optimizers": setup.optimizers}.items():
            for item, saved in zip(items, state[name], strict=True):
                item.load_state_dict(saved)
        if setup.student is not None:
            setup.student.load_state_dict(state["student"])
