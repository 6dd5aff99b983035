import torch
from scipy.stats import kstest

from dream3d.noise.hashed import hashed_normal, mixed, shifted


def test_mixing_is_splitmix64() -> None:
    """The finaliser in Python's unbounded integers."""

    def reference(z: int) -> int:
        mask = (1 << 64) - 1
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    keys = [0, 1, 2, 12345678901234567, -1, -(2**62)]
    got = [z & ((1 << 64) - 1) for z in mixed(torch.tensor(keys)).tolist()]
    assert got == [reference(k & ((1 << 64) - 1)) for k in keys]
    assert shifted(torch.tensor([-1]), 40).item() == 2**24 - 1


def test_gaussian_over_neighbouring_keys() -> None:
    values = hashed_normal(torch.arange(20_000), seed=3, channels=2)
    for channel in (values[:, 0], values[:, 1]):
        assert kstest(channel.numpy(), "norm").pvalue > 1e-3


def test_a_function_of_key_seed_and_channel() -> None:
    keys = torch.arange(5000)
    values = hashed_normal(keys, seed=0, channels=4)
    assert torch.equal(values[7:9], hashed_normal(keys[7:9], seed=0, channels=4))
    assert torch.equal(values[:, :2], hashed_normal(keys, seed=0, channels=2))
    others = [values, hashed_normal(keys, seed=1, channels=4), hashed_normal(keys + 1, seed=0, channels=4)]
    correlation = torch.corrcoef(torch.cat(others, dim=1).T)
    assert (correlation - torch.eye(12)).abs().max() < 0.08


def test_lattice_neighbours_are_independent() -> None:
    """Keys as the cubes of ``surface.py`` have them: three numbers in 21 bits each."""
    i = torch.arange(30) + (1 << 20)
    x, y, z = (axis.flatten() for axis in torch.meshgrid(i, i, i, indexing="ij"))
    cube = hashed_normal((x << 42) | (y << 21) | z, seed=5, channels=1).view(30, 30, 30)
    for axis in range(3):
        a, b = cube.narrow(axis, 0, 29).flatten(), cube.narrow(axis, 1, 29).flatten()
        assert abs(torch.corrcoef(torch.stack([a, b]))[0, 1]) < 0.03
