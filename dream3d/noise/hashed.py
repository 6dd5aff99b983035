"""Gaussian noise as a hash of integers: a cell always has the same noise, without a table of cells."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

GOLDEN, FIRST, SECOND = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15


def mixed(keys: Int[Tensor, "*n"]) -> Int[Tensor, "*n"]:
    """A bijection of 64-bit integers whose bits look random: the finaliser of SplitMix64 (Steele et al. 2014)."""
    z = (keys ^ shifted(keys, 30)) * FIRST
    z = (z ^ shifted(z, 27)) * SECOND
    return z ^ shifted(z, 31)


def shifted(z: Int[Tensor, "*n"], bits: int) -> Int[Tensor, "*n"]:
    """To the right, zeros coming in (torch's own shift repeats the sign)."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def hashed_normal(keys: Int[Tensor, " n"], seed: int, channels: int) -> Float[Tensor, "n c"]:
    """Unit Gaussians of each key, channel and seed; independent of each other wherever one of them differs.

    By inversion of 24 bits, so no further out than 5.4 deviations.
    """
    streams = mixed(torch.arange(channels, device=keys.device) * GOLDEN + seed)
    bits = mixed(mixed(keys * GOLDEN)[:, None] + streams)
    uniform = (shifted(bits, 40).double() + 0.5) / 2**24
    return (torch.erfinv(2 * uniform - 1) * 2**0.5).float()
