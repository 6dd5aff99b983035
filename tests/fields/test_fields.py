"""The contract of every field: whatever has a yaml in conf/field is held to it."""

import io
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from dream3d.render.normals import normals_analytic, normals_finite
from dream3d.seeding import generator

CONF = Path(__file__).parents[2] / "conf" / "field"
NAMES = sorted(path.stem for path in CONF.glob("*.yaml"))


def make(name: str, seed: int = 0, **knobs: object) -> nn.Module:
    config = OmegaConf.merge(OmegaConf.load(CONF / f"{name}.yaml"), knobs)
    return instantiate(config)(generator=generator(seed, 0, "field"))


def ball(n: int, stream: str = "ball") -> Tensor:
    x = torch.rand(2 * n + 50, 3, generator=generator(0, 0, stream)) * 2 - 1
    return x[x.norm(dim=-1) < 0.99][:n]


def line(offset: float) -> Tensor:
    """Points along z at a distance from the axis, 0.01 apart."""
    z = torch.arange(-1, 1, 0.01) + 0.005
    return torch.stack((torch.full_like(z, offset), torch.zeros_like(z), z), dim=-1)


def opacity(field, offset: float) -> float:
    return 1 - torch.exp(-field.density(line(offset)).sum() * 0.01).item()


def test_there_are_fields():
    assert {"hashgrid", "mlp", "triplane", "voxel"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_range(name: str):
    field, x = make(name), ball(33)
    surface = field.surface(x)
    assert surface.density.shape == (33,) and surface.colour.shape == (33, 3)
    assert surface.density.min() >= 0 and 0 <= surface.colour.min() and surface.colour.max() <= 1
    assert torch.allclose(field.density(x), surface.density, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_empty_outside_the_ball(name: str):
    x = torch.tensor([[1.01, 0.0, 0.0], [0.8, 0.8, 0.8], [-5.0, 3.0, 2.0]])
    field = make(name)
    assert field.density(x).tolist() == [0, 0, 0]
    assert field.surface(x).density.tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", NAMES)
def test_starts_soft_and_grey(name: str):
    field = make(name)
    with torch.no_grad():
        assert 0.3 < opacity(field, 0.0) < 0.93
        assert opacity(field, 0.0) > 1.5 * opacity(field, 0.9)
        assert opacity(field, 0.98) < 0.15
        assert (field.surface(ball(500)).colour.mean(dim=0) - 0.5).abs().max() < 0.06


@pytest.mark.parametrize("name", NAMES)
def test_the_generator_alone_decides_the_weights(name: str):
    torch.manual_seed(1)
    first = make(name)
    torch.manual_seed(2)
    same, other = make(name), make(name, seed=1)
    for key, value in first.state_dict().items():
        assert torch.equal(value, same.state_dict()[key]), key
    x = ball(20)
    assert not torch.equal(first.surface(x).colour, other.surface(x).colour)


@pytest.mark.parametrize("name", NAMES)
def test_state_survives_a_file(name: str):
    field, file = make(name), io.BytesIO()
    torch.save(field.state_dict(), file)
    file.seek(0)
    copy = make(name, seed=1)
    copy.load_state_dict(torch.load(file, weights_only=True))
    x = ball(20)
    assert torch.equal(field.surface(x).colour, copy.surface(x).colour)


@pytest.mark.parametrize("name", NAMES)
def test_parameter_groups_hold_every_parameter_once(name: str):
    field = make(name)
    groups = field.parameter_groups()
    grouped = [id(p) for group in groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in field.parameters() if p.requires_grad)
    assert all(group["lr_scale"] > 0 and group["name"] for group in groups)


@pytest.mark.parametrize("name", NAMES)
def test_normals_train_and_the_two_ways_agree(name: str):
    field, draw = make(name).double(), generator(0, 0, "perturb")
    with torch.no_grad():
        for p in field.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=draw))
    x = 0.6 * ball(200).double()
    analytic, finite = normals_analytic(field, x), normals_finite(field, x, eps=1e-6)
    assert (analytic * finite).sum(-1).median() > 0.999
    analytic[:, 0].sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in field.parameters())


def target(x: Tensor) -> tuple[Tensor, Tensor]:
    """A ball of radius 0.5 with smooth sides, red in front (+z), blue behind."""
    density = 20 * torch.sigmoid(30 * (0.5 - x.norm(dim=-1)))
    red = torch.sigmoid(8 * x[:, 2])
    return density, torch.stack((red, torch.full_like(red, 0.3), 1 - red), dim=-1)


def error(field, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared errors of the opacity over a length of 0.1, and of the colour inside."""
    density, colour = target(x)
    surface = field.surface(x)
    alpha = ((-0.1 * surface.density).exp() - (-0.1 * density).exp()) ** 2
    inside = (x.norm(dim=-1) < 0.5)[:, None]
    return alpha.mean(), ((surface.colour - colour) ** 2 * inside).sum() / (3 * inside.sum())


def fit(field, steps: int) -> None:
    groups = [{**group, "lr": 0.02 * group["lr_scale"]} for group in field.parameter_groups()]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), fused=True)
    for step in range(steps):
        x = torch.rand(2000, 3, generator=generator(0, step, "fit")) * 1.4 - 0.7
        optimizer.zero_grad()
        sum(error(field, x)).backward()
        optimizer.step()


@pytest.mark.parametrize("name", NAMES)
def test_fits_a_ball(name: str):
    x = torch.rand(4000, 3, generator=generator(1, 0, "fit")) * 1.4 - 0.7
    field = make(name)
    with torch.no_grad():
        before = error(field, x)
    fit(field, steps=150)
    with torch.no_grad():
        after = error(field, x)
    assert after[0] < before[0] / 10 and after[1] < before[1] / 1.5, (before, after)


@pytest.mark.parametrize("name, knob", [("triplane", "levels"), ("hashgrid", "active_levels")])
def test_levels_open_with_the_steps(name: str, knob: str):
    schedule = {"_target_": "dream3d.schedule.Linear", "start": 1.0, "end": 16.0, "finish": 10}
    gated, full, x = make(name, **{knob: schedule}), make(name), ball(20)
    fine = {"triplane": slice(24, None), "hashgrid": slice(2, None)}[name]
    gated.at_step(0)
    assert gated.features(x)[:, fine].abs().max() == 0 and gated.features(x).abs().max() > 0
    gated.at_step(10)
    assert torch.allclose(gated.features(x), full.features(x))
