"""Builds a ``Setup`` from a configuration: every object is instantiated here, by Hydra's ``_target_``."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import nn

from dream3d.cameras import pixel_rays, turntable
from dream3d.contracts import (
    Background,
    ChecksPrompts,
    FreesText,
    LatentPrior,
    NetworkPrior,
    Stateful,
    TrainableField,
    notes_of,
    parameter_groups,
    sees_source,
)
from dream3d.editing.dataset import DatasetUpdate, nothing
from dream3d.errors import UserError
from dream3d.fields.edited import Edited, as_field
from dream3d.fields.hashgrid import HashGrid
from dream3d.fields.latents import latents_of
from dream3d.optimize import Kept, Regulariser, Setup, Source
from dream3d.prompts import PromptEmbeddings
from dream3d.run.config import Tree
from dream3d.run.construction_errors import restoring
from dream3d.run.guidances import (
    PriorOf,
    build_guidances,
    build_loss,
    build_noise,
    build_prior,
    build_text,
    compares,
    guidance_notes,
)
from dream3d.run.picture import learn_words, seen_picture
from dream3d.seeding import generator
from dream3d.types import Distilled, ScoreModel


def device_of(name: str) -> torch.device:
    """``auto`` is CUDA where there is one. Raises UserError if CUDA is requested but unavailable."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise UserError(
            f"device: got '{name}', but this machine (or this torch build) has {count} CUDA devices; use device=cpu"
        )
    return device


def embedded_texts(
    config: DictConfig, prior: ScoreModel, prior_of: PriorOf
) -> tuple[PromptEmbeddings, PromptEmbeddings | None]:
    """The embeddings of the prompt, and of the source prompt of an edit. Text encoders of an owned prior are freed;
    a shared one keeps them."""
    text, source = build_text(config, prior, config.prompt), None
    if edits(config):
        source = build_text(config, prior, config.source)
    if prior_of is build_prior and isinstance(prior, FreesText):
        prior.free_text()
    return text, source


def edits(config: DictConfig) -> bool:
    """Whether this run edits an existing object; runs of earlier versions do not."""
    return config.edit.get("path") is not None


def build_fields(config: DictConfig, device: torch.device) -> list[TrainableField]:
    """One field a particle, each from its own random stream; of an edit, beside its source."""
    make = instantiate(config.field)

    def one(i: int) -> nn.Module:
        return make(generator=generator(config.seed, i, "field"))

    if edits(config):
        return [Edited(one(i), one(i), config.edit.vertices).to(device) for i in range(config.particles)]
    return [as_field(one(i).to(device)) for i in range(config.particles)]


def build_source(
    config: DictConfig, fields: Sequence[TrainableField], text: PromptEmbeddings | None, loss: Callable[..., Distilled]
) -> Source | None:
    """What the loop needs of an edit's source; None where nothing is edited."""
    compared = compares(loss, editing=edits(config))
    if text is None:
        return None
    beside = [field for field in fields if isinstance(field, Edited)]
    return Source(
        fields=[as_field(field.source) for field in beside],
        renderers=[instantiate(config.render).to(field.region.device) for field in beside],
        text=text,
        keep={name: Kept(instantiate(k.loss), instantiate(k.weight)) for name, k in config.keep.items()},
        compared=compared,
    )


def build_dataset(config: DictConfig, prior: ScoreModel, text: PromptEmbeddings) -> dict[str, DatasetUpdate]:
    """The pictures that an edit by iterative dataset update trains on, if it is one (``edit.dataset``)."""
    if not edits(config) or config.edit.get("dataset") is None:
        return {}
    return {"dataset": instantiate(config.edit.dataset)(prior=prior, text=text)}


@torch.no_grad()
def teach_rgb(fields: Sequence[TrainableField], backgrounds: Sequence[Background], prior: ScoreModel) -> None:
    """Give fields of latents the affine map from latents to RGB.

    Raises UserError if the prior has no such latents, or the background's number of channels differs.
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
            f"background: got {got} channels, expected the field's {channels}; use background=random "
            f"background.channels={channels}"
        )
    for item in latents:
        item.to_rgb.copy_(matrix)


def build_optimizer(config: DictConfig, field: TrainableField, background: Background) -> torch.optim.Optimizer:
    """Parameter groups of field and background, each at its fraction (``lr_scale``) of the scheduled learning rate."""
    lr = instantiate(config.optimizer.lr)
    groups = parameter_groups(field)
    if trained := list(background.parameters()):
        groups = [*groups, {"params": trained, "name": "background", "lr_scale": 0.1}]
    return instantiate(config.optimizer.algorithm)([{**g, "lr": lr(0) * g["lr_scale"]} for g in groups])


def build(config: DictConfig, prior_of: PriorOf = build_prior) -> Setup:
    """Everything the training loop needs; ``prior_of`` may return a prior that is already loaded.

    Errors raised by constructors are passed on unchanged."""
    device = device_of(config.device)
    prior = prior_of(config, device)
    if sees_source(prior) and not edits(config):
        raise UserError("prior: got an image-editing model, but nothing to edit; pass edit=outputs/<run>")
    seen = seen_picture(config, prior)
    prior = prior if seen is None else seen.prior
    text, text_of_source = embedded_texts(config, prior, prior_of)
    if seen is not None:
        learn_words(config, prior, text, seen.view)
    fields = build_fields(config, device)
    backgrounds = [instantiate(config.background).to(device) for _ in fields]
    teach_rgb(fields, backgrounds, prior)
    data = build_dataset(config, prior, text)
    loss, student = (nothing, None) if data else build_loss(config, prior)
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
        source=build_source(config, fields, text_of_source, loss),
        warnings=[
            *([] if seen is None else seen.warnings),
            *(prior.warnings(config.prompt, text.prompts) if isinstance(prior, ChecksPrompts) else []),
        ],
        notes=[*([] if seen is None else seen.notes), *notes_of(prior), *text.notes, *guidance_notes(loss)],
        references=({} if seen is None else {"image": seen.view}) | data,
    )
    return replace(setup, guidances=build_guidances(config, setup, prior_of))


def accelerators(setup: Setup) -> dict[str, str]:
    """Which implementation of each accelerated operation is used, for the run's manifest."""
    cuda, prior = setup.device.type == "cuda", setup.prior
    grid = next((part for part in setup.fields[0].modules() if isinstance(part, HashGrid)), None)
    weights = prior.unet.parameters() if isinstance(prior, NetworkPrior) else iter(())
    kind = next((str(weight.dtype) for weight in weights), "exact")
    return {
        "device": str(setup.device),
        "hash grid": "none" if grid is None else grid.backend,
        "compositing": "nerfacc" if cuda else "torch",
        "prior": kind.removeprefix("torch."),
    }


def state_of(setup: Setup) -> Tree:
    """The state of a setup that goes into a checkpoint."""
    return {
        "fields": [f.state_dict() for f in setup.fields],
        "renderers": [r.state_dict() for r in setup.renderers],
        "backgrounds": [b.state_dict() for b in setup.backgrounds],
        "optimizers": [o.state_dict() for o in setup.optimizers],
        "student": None if setup.student is None else setup.student.state_dict(),
        "students": {n: g.student.state_dict() for n, g in setup.guidances.items() if g.student is not None},
        "references": {n: v.state_dict() for n, v in setup.references.items() if isinstance(v, Stateful)},
        **({} if setup.source is None else {"source_renderers": [r.state_dict() for r in setup.source.renderers]}),
    }


def restore(setup: Setup, state: Tree) -> None:
    """Restore a checkpoint's state. Raises UserError if it belongs to another configuration."""
    with restoring():
        parts = {"fields": setup.fields, "renderers": setup.renderers, "backgrounds": setup.backgrounds}
        parts |= {} if setup.source is None else {"source_renderers": setup.source.renderers}
        for name, items in {**parts, "optimizers": setup.optimizers}.items():
            for item, saved in zip(items, state[name], strict=True):
                item.load_state_dict(saved)
        if setup.student is not None:
            setup.student.load_state_dict(state["student"])
        for name, view in setup.references.items():
            if isinstance(view, Stateful):
                view.load_state_dict(state["references"][name])
        for name, guidance in setup.guidances.items():
            if guidance.student is not None:
                guidance.student.load_state_dict(state["students"][name])
