"""All losses of a comparison see the same renders, cameras, times and noise."""

from dataclasses import replace

import pytest
import torch
from omegaconf import OmegaConf
from tiny import mini, saved

from dream3d.compare.grid import cells, members
from dream3d.compare.settings import read
from dream3d.optimize import optimize, scheduled
from dream3d.run.build import build
from dream3d.run.shared_prior import Priors


@pytest.fixture(scope="module")
def first_steps(tmp_path_factory):
    """Loss -> what it was given at step 0."""
    torch.manual_seed(0)
    folder = saved(mini(), tmp_path_factory.mktemp("prior"))
    every = f"distill=[{','.join(members('distill'))}]"
    request = read(["prompt=a red corgi", every, f"prior.path={folder}", "batch_size=4", "size=16", "threads=1",
                    "prior.dtype=float32"])  # fmt: skip
    priors, given = Priors(), {}
    for cell in cells(request):
        setup = build(OmegaConf.create(cell.settings), priors)

        def spy(prior, x, t, noise, text, *, name=cell.variant, loss=setup.loss):
            given[name] = (
                x.detach().clone(),
                t.clone(),
                noise.clone(),
                text.camera.clone(),
                text.cond.clone(),
            )
            return scheduled(loss, 0)(prior, x, t, noise, text)

        next(iter(optimize(replace(setup, loss=spy), 0, 1)))
    assert priors.loads == 1
    return given


@pytest.mark.parametrize("name", members("distill"))
def test_step_0_is_bit_identical(first_steps, name):
    for got, expected in zip(first_steps[name], first_steps["sds"], strict=True):
        assert torch.equal(got, expected)


def test_the_spy_would_notice(first_steps):
    x, t, noise, camera, _ = first_steps["sds"]
    assert x.std() > 0 and noise.std() > 0.9 and len(camera.unique(dim=0)) == 4 and len(t.unique()) > 1
