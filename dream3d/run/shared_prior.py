"""A prior is loaded once for all cells of a worker."""

import copy
import dataclasses
import json
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from dream3d.run.build import build_prior


class Priors:
    """Called like ``build.build_prior``; keeps the last prior and hands it out again for the same settings.

    Each caller gets an own copy of the network's modules over the same weights in memory, because a VSD
    student puts its adapters into the modules.
    """

    def __init__(self) -> None:
        self._key = ""
        self._prior: Any = None
        self.loads = 0

    def __call__(self, config: DictConfig, device: torch.device) -> Any:
        key = json.dumps([OmegaConf.to_container(config.prior, resolve=True), str(device)], sort_keys=True)
        if key != self._key:
            self._prior = None  # two large priors need not fit beside each other
            self._prior, self._key = build_prior(config, device), key
            self.loads += 1
        if isinstance(getattr(self._prior, "unet", None), nn.Module):
            return dataclasses.replace(self._prior, unet=over_same_weights(self._prior.unet))
        return self._prior


def over_same_weights(network: nn.Module) -> nn.Module:
    """A copy of the modules that shares parameters and buffers with the original."""
    shared = {id(t): t for t in (*network.parameters(), *network.buffers())}
    return copy.deepcopy(network, shared)
