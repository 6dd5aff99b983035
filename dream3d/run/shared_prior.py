"""Shares one loaded prior between several runs."""

import copy
import dataclasses
import json

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from dream3d.priors.pipeline import Pipeline
from dream3d.run.build import build_prior
from dream3d.types import ScoreModel


class Priors:
    """Called like ``build.build_prior``; keeps the last prior and returns it again for the same settings.

    Each caller gets its own copy of the network's modules, sharing the weights in memory, because a VSD student
    inserts its adapters into the modules.
    """

    def __init__(self) -> None:
        self._key = ""
        self._prior: ScoreModel | None = None
        self.loads = 0

    def __call__(self, config: DictConfig, device: torch.device) -> ScoreModel:
        key = json.dumps([OmegaConf.to_container(config.prior, resolve=True), str(device)], sort_keys=True)
        prior = self._prior if key == self._key else None
        if prior is None:
            self._prior = None  # two large priors need not fit into memory together
            prior = self._prior = build_prior(config, device)
            self._key = key
            self.loads += 1
        if isinstance(prior, Pipeline):
            return dataclasses.replace(prior, unet=over_same_weights(prior.unet))
        return prior


def over_same_weights(network: nn.Module) -> nn.Module:
    """A copy of the modules that shares parameters and buffers with the original."""
    shared = {id(t): t for t in (*network.parameters(), *network.buffers())}
    return copy.deepcopy(network, shared)
