"""Refinement stages: turn a trained setup into one whose fields are meshes, for the same training loop."""

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from dream3d.contracts import Renderer, TrainableField
from dream3d.fields.latents import latents_of, switch
from dream3d.fields.mesh_field import MeshField, keeps_mesh
from dream3d.fields.movable_nodes import Distance
from dream3d.geometry.signed_distance import signed_distance
from dream3d.optimize import Regulariser, Setup, Source
from dream3d.priors.loading.resolve import resolve
from dream3d.render.background import RandomColour
from dream3d.run.build import build_optimizer, embedded_texts
from dream3d.run.guidances import PriorOf, build_loss, build_prior, compares, scale_of
from dream3d.seeding import generator
from dream3d.types import Distilled, Mesh

STAGES = ("refine", "texture")
"""The stages after the coarse one, in order; both are members of the group ``refine``."""
STREAM = 1_000_003
"""Added to the seed: a later stage counts steps from 0 again and must not repeat the random draws of the others."""


def refined(
    setup: Setup,
    settings: DictConfig,
    start: Callable[[TrainableField], Mesh],
    *,
    name: str = "refine",
    fields: Sequence[TrainableField] | None = None,
    edited: Mesh | None = None,
    prior_of: PriorOf = build_prior,
) -> Setup:
    """The coarse setup modified for the stage ``name``: the mesh (``start``) of every field of the previous stage
    (``fields``; None: the coarse ones) becomes the shape of a new mesh field, the field itself its colour.
    Whatever the stage does not set (cameras, prior, loss) is inherited from the coarse stage. An edit's source goes on
    as a volume, or else in the same way as the ``edited`` mesh.

    Raises:
        ValueError: ``start`` finds no mesh in a field.
    """
    stage = settings[name]
    setup = with_rgb_fields(with_own_guidance(setup, settings, stage, prior_of))
    setup = dataclasses.replace(setup, loss=guided_at_least(setup.loss, stage.guidance))
    make = instantiate(stage.field)

    def of(field: TrainableField, mesh: Mesh, i: int) -> MeshField:
        distance = partial(signed_distance, mesh, generator=generator(setup.seed, i, name))
        return shaped(make, field, mesh, distance).to(setup.device)

    made = [of(field, start(field), i) for i, field in enumerate(setup.fields if fields is None else fields)]
    sources = []
    if setup.source is not None and edited is not None:
        sources = [of(field, edited, i) for i, field in enumerate(setup.source.fields)]
    return dataclasses.replace(
        setup,
        fields=made,
        source=beside(setup, sources, [instantiate(stage.render).to(setup.device) for _ in sources]),
        renderers=[instantiate(stage.render).to(setup.device) for _ in made],
        camera=instantiate(stage.camera) if stage.camera else setup.camera,
        time=instantiate(stage.time),
        shading=instantiate(stage.shading),
        regularisers={
            kind: Regulariser(instantiate(item.loss), instantiate(item.weight))
            for kind, item in stage.regularize.items()
        },
        optimizers=[build_optimizer(settings, *pair) for pair in zip(made, setup.backgrounds, strict=True)],
        lr=instantiate(stage.lr),
        batch_size=stage.batch_size,
        size=stage.size,
        seed=setup.seed + STREAM * (1 + STAGES.index(name)),
    )


def beside(setup: Setup, meshes: Sequence[TrainableField], renderers: Sequence[Renderer]) -> Source | None:
    """An edit's source beside the mesh: as ``meshes`` where there are any, or else the volume that it was. What of it
    was to stay was for volumes."""
    if setup.source is None:
        return None
    source = dataclasses.replace(setup.source, keep={}, compared=compares(setup.loss, editing=True))
    return dataclasses.replace(source, fields=meshes, renderers=renderers) if meshes else source


def check_stages(settings: DictConfig, timesteps: int, prior_of: PriorOf) -> None:
    """Build the parts of the later stages (except the fields, which need the coarse ones), so that errors appear
    before the first step. Errors raised by constructors are passed on unchanged."""
    for name in (name for name in STAGES if settings[name].steps):
        stage = settings[name]
        for part in ("render", "shading", "lr", "camera"):
            instantiate(stage[part])
        inspect.signature(get_object(stage.field._target_)).bind_partial(**instantiate(stage.field).keywords)
        for item in stage.regularize.values():
            instantiate(item)
        time = instantiate(stage.time)
        for step in (0, stage.steps - 1):
            time(step, 1, timesteps, generator(settings.seed, step, "time"))
        own = stage.get("prior")
        if own and "places" in own and prior_of is build_prior and not str(own.path).endswith(".safetensors"):
            resolve(own.path, own.places, own.offline)


def with_rgb_fields(setup: Setup) -> Setup:
    """The setup with fields of latents viewed in RGB from now on (Latent-NeRF's refinement), over random background
    colours; a setup in RGB is unchanged."""
    if not latents_of(setup.fields[0]):
        return setup
    for field in setup.fields:
        switch(field, True)
    return dataclasses.replace(setup, backgrounds=[RandomColour().to(setup.device) for _ in setup.fields])


def shaped(make: partial[MeshField], field: TrainableField, mesh: Mesh, distance: Distance) -> MeshField:
    """A mesh field coloured by ``field``: either of the fixed mesh, or of signed distances to optimise."""
    shape = {"mesh": mesh} if keeps_mesh(make.func) else {"distance": distance}
    return make(appearance=field, **shape)


def guided_at_least(loss: Callable[..., Distilled], least: float | None) -> Callable[..., Distilled]:
    """The loss with a guidance ``scale`` of at least ``least``: late, at small t, colours fade under the weak
    guidance that suits the embedded prior at large t."""
    scale = scale_of(loss)
    weaker = least is not None and scale is not None and scale < least
    return partial(loss, scale=least) if weaker else loss


def with_own_guidance(setup: Setup, settings: DictConfig, stage: DictConfig, prior_of: PriorOf) -> Setup:
    """The setup with the stage's own prior and loss, if it sets them (``prior``, ``distill``)."""
    own = {key: stage[key] for key in ("prior", "distill") if stage.get(key) is not None}
    if not own:
        return setup
    parts = {key: settings[key] for key in settings if key not in own}
    ours: Any = OmegaConf.create({**parts, **own, "batch_size": stage.batch_size, "size": stage.size})
    if "prior" in own:
        prior = prior_of(ours, setup.device)
        text, of_source = embedded_texts(ours, prior, prior_of)
        setup = dataclasses.replace(setup, prior=prior, text=text)
        if setup.source is not None and of_source is not None:
            setup = dataclasses.replace(setup, source=dataclasses.replace(setup.source, text=of_source))
    loss, student = build_loss(ours, setup.prior)
    compares(loss, editing=setup.source is not None)
    return dataclasses.replace(setup, loss=loss, student=student, noise_samples=ours.distill.noise_samples)
