"""The second stage: a trained coarse setup becomes one whose fields are meshes; the loop stays the same."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import nn

from dream3d.build import build_optimizer
from dream3d.mesh.distance import signed_distance
from dream3d.optimize import Regulariser, Setup
from dream3d.seeding import generator
from dream3d.types import Mesh

STREAM = 1_000_003
"""Added to the seed: the second stage counts its steps from 0 again and must not repeat the first's draws."""


def refined(setup: Setup, settings: DictConfig, start: Callable[[Any], Mesh]) -> Setup:
    """The setup of ``settings.refine``: every field's mesh (``start``) becomes the shape of a new explicit
    field, the field itself its colour. Prior, text, cameras, loss and backgrounds are kept.

    Raises:
        ValueError: a field that ``start`` finds no mesh in.
    """
    refine = settings.refine
    make = instantiate(refine.field)
    fields: list[nn.Module] = []
    for i, field in enumerate(setup.fields):
        distance = partial(signed_distance, start(field), generator=generator(setup.seed, i, "refine"))
        fields.append(make(appearance=field, distance=distance).to(setup.device))
    return dataclasses.replace(
        setup,
        fields=fields,
        renderers=[instantiate(refine.render).to(setup.device) for _ in fields],
        camera=instantiate(refine.camera) if refine.camera else setup.camera,
        time=instantiate(refine.time),
        shading=instantiate(refine.shading),
        regularisers={
            name: Regulariser(instantiate(item.loss), instantiate(item.weight))
            for name, item in refine.regularize.items()
        },
        optimizers=[build_optimizer(settings, *pair) for pair in zip(fields, setup.backgrounds, strict=True)],
        rate=instantiate(refine.rate),
        views=refine.views,
        size=refine.size,
        seed=setup.seed + STREAM,
    )
