"""Two steps of any configuration, as small as they go."""

import torch
from omegaconf import DictConfig

from dream3d.optimize import Step, optimize
from dream3d.run.build import build

SMALL = {"log2_size": 8, "levels": 2, "size": 8, "resolutions": [8], "base": 4, "finest": 8, "resolution": 8}


def shrunk(config: DictConfig) -> DictConfig:
    """The same choices with two views of 16 pixels, few samples and a small field."""
    config.steps, config.batch_size, config.size, config.particles = 2, 2, 16, 1
    config.render.samples, config.render.occupancy = 8, 4
    for key, value in SMALL.items():
        if config.field.get(key) is not None:
            config.field[key] = value
    if "views" in config.distill.loss:
        config.distill.loss.views = 2
    return config


def two_steps(config: DictConfig) -> list[Step]:
    return list(optimize(build(shrunk(config)), 0, 2))


def sound(steps: list[Step]) -> bool:
    """Two, finite, and gradients have reached the parameters."""
    finite = all(bool(torch.isfinite(s.loss)) and bool(torch.isfinite(s.grad_norm)) for s in steps)
    return len(steps) == 2 and finite and all(float(s.grad_norm) > 0 for s in steps)
