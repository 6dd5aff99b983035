"""From a configuration to a ``Setup``: every object is made here, by Hydra's ``_target_``."""

from collections.abc import Sequence
from dataclasses import replace
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
    TrainableField,
    notes_of,
    parameter_groups,
)
from dream3d.errors import UserError
from dream3d.fields.hashgrid import HashGrid
from dream3d.fields.latents import latents_of
from dream3d.optimize import Regulariser, Setup
from dream3d.prompts import PromptEmbeddings
from dream3d.run.construction_errors import restoring
from dream3d.run.guidances import PriorOf, build_guidances, build_loss, build_noise, build_prior, guidance_notes
from dream3d.run.picture import reference_of
from dream3d.seeding import generator
from dream3d.types import ScoreModel


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


def build(config: DictConfig, prior_of: PriorOf = build_prior) -> Setup:
    """Everything the loop needs; ``prior_of`` may hand out a prior that is loaded already.

    Errors of constructors come through as they are."""
    device = device_of(config.device)
    prior = prior_of(config, device)
    seen = reference_of(config)
    text = embedded_text(config, prior, prior_of)
    fields = build_fields(config, device)
    backgrounds = [instantiate(config.background).to(device) for _ in fields]
    teach_rgb(fields, backgrounds, prior)
    loss, student = build_loss(config, prior)
    setup = Setup(
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
        warnings=[
            *([] if seen is None else seen.warnings),
            *(prior.warnings(config.prompt, text.prompts) if isinstance(prior, ChecksPrompts) else []),
        ],
        notes=[*notes_of(prior), *text.notes, *guidance_notes(loss)],
        references={} if seen is None else {"image": seen.view},
    )
    return replace(setup, guidances=build_guidances(config, setup, prior_of))


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
        "students": {n: g.student.state_dict() for n, g in setup.guidances.items() if g.student is not None},
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
        for name, guidance in setup.guidances.items():
            if guidance.student is not None:
                guidance.student.load_state_dict(state["students"][name])
