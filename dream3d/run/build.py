"""From a configuration to a ``Setup``: every object is made here, by Hydra's ``_target_``."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import nn

from dream3d.cameras import pixel_rays, turntable
from dream3d.errors import UserError
from dream3d.fields.latents import latents_of
from dream3d.noise.image import FreshNoise
from dream3d.optimize import Regulariser, Setup
from dream3d.priors.loading.memory import Batch
from dream3d.run.construction_errors import restoring
from dream3d.seeding import generator


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


def build_prior(config: DictConfig, device: torch.device) -> Any:
    """The frozen prior; loaders that need a device take it, and what will go through it, as keywords."""
    prior = instantiate(config.prior)
    return prior(device=device, batch=batch_of(config)) if isinstance(prior, partial) else prior


def batch_of(config: DictConfig) -> Batch:
    """What a step sends through the prior at once, for the estimate of memory."""
    rows = 4 if config.prompts.perp_neg else 2
    images = config.batch_size * config.distill.noise_samples
    return Batch(images, rows, config.distill.student is not None)


def build_text(config: DictConfig, prior: Any) -> Callable[..., Any]:
    """The prompt table; view words only for priors that are not told the camera."""
    return instantiate(config.prompts)(prior=prior, prompt=config.prompt, negative=config.negative)


def told(config: DictConfig, prior: Any, prior_of: Callable[..., Any]) -> Callable[..., Any]:
    """The prompt table; the text encoders of a prior of one's own are freed, one that was lent keeps them."""
    text = build_text(config, prior)
    if prior_of is build_prior and hasattr(prior, "free_text"):
        prior.free_text()
    return text


def build_fields(config: DictConfig, device: torch.device) -> list[nn.Module]:
    """One field a particle, each from its own random stream."""
    make = instantiate(config.field)
    return [make(generator=generator(config.seed, i, "field")).to(device) for i in range(config.particles)]


@torch.no_grad()
def teach_rgb(fields: Sequence[nn.Module], backgrounds: Sequence[nn.Module], prior: Any) -> None:
    """Tell fields made of latents how latents look in RGB.

    Raises UserError where the prior has no such latents, or the background has not as many channels.
    """
    latents = [item for field in fields for item in latents_of(field)]
    if not latents:
        return
    channels = len(latents[0].to_rgb) - 1
    matrix = prior.affine_rgb() if hasattr(prior, "affine_rgb") else None
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


def build_optimizer(config: DictConfig, field: Any, background: nn.Module) -> torch.optim.Optimizer:
    """Parameter groups of field and background, each at its share (``lr_scale``) of the scheduled rate."""
    lr = instantiate(config.optimizer.lr)
    groups = list(field.parameter_groups())
    if list(background.parameters()):
        groups.append({"params": list(background.parameters()), "name": "background", "lr_scale": 0.1})
    return instantiate(config.optimizer.algorithm)([{**g, "lr": lr(0) * g["lr_scale"]} for g in groups])


def build_loss(config: DictConfig, prior: Any) -> tuple[Callable[..., Any], Any]:
    """The distillation loss, and the student that it wants (None where it wants none)."""
    loss = instantiate(config.distill.loss)
    if config.distill.student is None:
        return loss, None
    if not hasattr(prior, "unet"):
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


def warnings_of(prior: Any, prompt: str, texts: Sequence[str]) -> list[str]:
    """What the prior will not make of the prompt, nor read of the texts (view words come last in them)."""
    unknown = prior.warnings(prompt) if hasattr(prior, "warnings") else []
    return [*unknown, *(prior.cut(texts) if hasattr(prior, "cut") else [])]


def guidance_notes(loss: Any) -> list[str]:
    """The guidance scale in the two conventions that are about; nothing for losses that have none."""
    scale = getattr(loss, "keywords", {}).get("scale")
    if not isinstance(scale, int | float):  # a schedule, or none
        return []
    return [
        f"guidance: null + {scale:g} (text - null); that is text + {scale - 1:g} (text - null), so "
        f"{scale - 1:g} for DreamFusion's omega and in threestudio's text-first losses"
    ]


PriorOf = Callable[[DictConfig, torch.device], Any]


def build(config: DictConfig, prior_of: PriorOf = build_prior) -> Setup:
    """Everything the loop needs; ``prior_of`` may hand out a prior that is loaded already.

    Errors of constructors come through as they are."""
    device = device_of(config.device)
    prior = prior_of(config, device)
    text = told(config, prior, prior_of)
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
        warnings=warnings_of(prior, config.prompt, getattr(text, "prompts", [config.prompt])),
        notes=[*getattr(prior, "notes", ()), *getattr(text, "notes", ()), *guidance_notes(loss)],
        condition=getattr(prior, "condition", None),
    )


def accelerators(setup: Setup) -> dict[str, str]:
    """Which twin of each accelerated path ran, for the run's manifest."""
    cuda = setup.device.type == "cuda"
    return {
        "device": str(setup.device),
        "hash grid": str(getattr(setup.fields[0], "backend", "none")),
        "compositing": "nerfacc" if cuda else "torch",
        "prior": str(getattr(getattr(setup.prior, "unet", None), "dtype", "exact")).removeprefix("torch."),
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
        for part in ("fields", "renderers", "backgrounds", "optimizers"):
            for item, saved in zip(getattr(setup, part), state[part], strict=True):
                item.load_state_dict(saved)
        if setup.student is not None:
            setup.student.load_state_dict(state["student"])
