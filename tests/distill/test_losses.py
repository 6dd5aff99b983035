"""What every loss promises, for each file in conf/distill (float32, images of 3 x 4 x 4)."""

import functools
import inspect
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from dream3d.cli.overrides import member
from dream3d.optimize import scheduled
from dream3d.priors.gaussian import Gaussian, gaussian_eps
from dream3d.types import Conditioning

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "conf/distill").glob("*.yaml"))
SHAPE = (3, 4, 4)


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Student:
    def __init__(self, alpha_bar: torch.Tensor) -> None:
        self.alpha_bar = alpha_bar

    def eps(self, x_t, t, text):
        return gaussian_eps(x_t, self.alpha_bar[t], 0.3 * torch.ones_like(x_t), 0.2)


PRIOR = Gaussian({}, std=0.5)
# Levels that begin without noise and end in pure noise, as flow models do.
ENDS = Gaussian({}, std=0.5, alpha_bar=torch.linspace(1, 0, 1000))


@functools.cache
def config(name: str):
    root = OmegaConf.create({"steps": 600})
    root.distill = member("distill", name)
    return root.distill


def loss_of(name: str, prior: Gaussian = PRIOR, **knobs):
    loss = scheduled(instantiate(config(name).loss), 0)
    if config(name).student is not None:
        loss = functools.partial(loss, student=Student(prior.alpha_bar))
    if "x_src" in inspect.signature(loss).parameters:
        loss = beside_a_source(loss)
    return functools.partial(loss, **knobs)


def beside_a_source(loss):
    """A loss for edits, with a source that depends on each image and text alone, as rows of a batch must."""

    def compared(prior, x, t, noise, text, **knobs):
        words = text.null if text.contrast is None else text.contrast
        return loss(prior, x, t, noise, text, x_src=0.5 * x.detach() + 0.2, text_src=replace(text, cond=words), **knobs)

    return compared


def arguments(b: int = 3, seed: int = 0):
    text = Conditioning(
        *(random(b, *SHAPE, seed=seed + i) for i in range(2)), contrast=random(b, *SHAPE, seed=seed + 2)
    )
    t = torch.tensor([400, 90, 950, 20][:b])
    return random(b, *SHAPE, seed=seed + 3), t, random(b, *SHAPE, seed=seed + 4), text


@pytest.mark.parametrize("name", NAMES)
def test_loss_gradient_is_grad_over_batch(name: str) -> None:
    x, t, noise, text = arguments()
    x.requires_grad_()
    result = loss_of(name)(PRIOR, x, t, noise, text)
    result.loss.backward()
    assert result.grad.abs().max() > 1e-3
    torch.testing.assert_close(x.grad, result.grad / 3)
    torch.testing.assert_close(result.loss, 0.5 * result.grad.square().sum() / 3)


@pytest.mark.parametrize("name", NAMES)
def test_no_gradient_through_the_prior(name: str) -> None:
    """The embeddings would get one if any prediction were not cut off; so would x, through x_t."""
    x, t, noise, text = arguments()
    x.requires_grad_()
    parts = [part.requires_grad_() for part in (text.cond, text.null, text.contrast)]
    result = loss_of(name)(PRIOR, x, t, noise, text)
    assert not result.grad.requires_grad
    result.loss.backward()
    assert all(part.grad is None for part in parts)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("t", [0, 1, 998, 999])
def test_finite_at_both_ends(name: str, t: int) -> None:
    x, _, noise, text = arguments()
    result = loss_of(name, ENDS)(ENDS, x, torch.full((3,), t), noise, text)
    assert torch.isfinite(result.grad).all()
    assert torch.isfinite(result.loss)


@pytest.mark.parametrize("name", NAMES)
def test_batch_of_three_is_three_batches_of_one(name: str) -> None:
    x, t, noise, text = arguments()
    together = loss_of(name)(PRIOR, x, t, noise, text).grad
    for i in range(3):
        row = slice(i, i + 1)
        single = Conditioning(text.cond[row], text.null[row], contrast=text.contrast[row])
        alone = loss_of(name)(PRIOR, x[row], t[row], noise[row], single).grad
        torch.testing.assert_close(together[row], alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_same_arguments_same_bits(name: str) -> None:
    """No hidden randomness, and the global stream neither matters nor moves."""
    torch.manual_seed(1)
    first = loss_of(name)(PRIOR, *arguments()).grad
    after = torch.rand(())
    torch.manual_seed(1)
    assert torch.rand(()) == after
    assert torch.equal(first, loss_of(name)(PRIOR, *arguments()).grad)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_condition_scale_does_not_matter(name: str) -> None:
    """cond = null: every scale gives the unconditional form."""
    x, t, noise, text = arguments()
    bare = replace(text, cond=text.null, contrast=None)
    one, seven = (loss_of(name, scale=s)(PRIOR, x, t, noise, bare).grad for s in (1.0, 7.0))
    torch.testing.assert_close(one, seven)


@pytest.mark.parametrize("name", NAMES)
def test_time_is_valid_at_every_step(name: str) -> None:
    time = instantiate(config(name).time)
    for step in (0, 1, 300, 599, 600, 10_000):
        t = time(step, 5, 1000, torch.Generator().manual_seed(step))
        assert t.shape == (5,)
        assert t.dtype == torch.int64
        assert 0 <= int(t.min()) <= int(t.max()) < 1000


@pytest.mark.parametrize("name", NAMES)
def test_yaml_says_all_there_is(name: str) -> None:
    """Keys, length, and every knob of the function spelled out with a value."""
    text = (ROOT / f"conf/distill/{name}.yaml").read_text()
    assert text.startswith("# ")
    assert "arXiv" in text.splitlines()[0]
    assert len(text.splitlines()) <= 30
    tree = config(name)
    assert set(tree) == {"loss", "time", "noise_samples", "student"}
    given = {key for key in tree.loss if not key.startswith("_")}
    parameters = inspect.signature(instantiate(tree.loss).func).parameters.values()
    names = {p.name for p in parameters if p.kind == p.KEYWORD_ONLY}
    assert given == names - {"student", "x_src", "text_src"}


@pytest.mark.parametrize("name", NAMES)
def test_one_small_file_with_its_paper_and_its_test(name: str) -> None:
    module = instantiate(config(name).loss).func.__module__
    source = (ROOT / f"{module.replace('.', '/')}.py").read_text()
    paper = re.findall(r"\d{4}\.\d{5}", (ROOT / f"conf/distill/{name}.yaml").read_text().splitlines()[0])
    assert all(number in source + (ROOT / "dream3d/distill/weight.py").read_text() for number in paper)
    assert len(source.splitlines()) <= 80
    assert (Path(__file__).parent / f"test_{module.split('.')[-1]}.py").exists()


def test_sds_is_readable_at_a_glance() -> None:
    source = (ROOT / "dream3d/distill/sds.py").read_text()
    assert len(source.splitlines()) < 60
    assert "2209.14988" in source
    assert "grad = w(t) (eps_hat(x_t; y, t) - noise)" in source
