import pytest
import torch
from scenes import box, sphere

from dream3d.cameras import flatten, turntable
from dream3d.errors import UserError
from dream3d.priors.renders import Renders, diffusers_cosine, load
from dream3d.types import Conditioning


def text(views: int = 2) -> Conditioning:
    nothing = torch.zeros(views, 1)
    return Conditioning(nothing, nothing, camera=flatten(turntable(views, 0.3, 3.0, 0.7, 16)))


def test_with_one_mesh_the_noise_is_found_exactly():
    prior = Renders([box()], diffusers_cosine(), resolution=16)
    x0 = prior.pictures(text().camera)[:, 0].view(2, 4, 16, 16)
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([100, 700])
    a = prior.alpha_bar[t][:, None, None, None]
    found = prior.eps(a.sqrt() * x0 + (1 - a).sqrt() * noise, t, text())
    assert torch.allclose(found.cond, noise, atol=1e-3)
    assert torch.equal(found.cond, found.null)


def test_with_two_meshes_the_answer_is_the_derivative_of_the_log_density():
    prior = Renders([box(), sphere()], diffusers_cosine(), resolution=8)
    known = prior.pictures(text(1).camera)[0].double()
    t = torch.tensor([600])
    a = prior.alpha_bar[t].double()
    x_t = (a.sqrt() * known.mean(0) + 0.3 * torch.randn(known.shape[1], dtype=torch.float64)).requires_grad_()
    log_density = torch.logsumexp(-(x_t - a.sqrt() * known).square().sum(-1) / (2 * (1 - a)), dim=0)
    (score,) = torch.autograd.grad(log_density, x_t)
    eps = prior.eps(x_t.detach().float().view(1, 4, 8, 8), t, text(1)).cond.double().flatten()
    assert torch.allclose(eps, -(1 - a).sqrt() * score, atol=1e-3)


def test_diffusers_cosine_is_diffusers():
    from diffusers import DDIMScheduler

    theirs = DDIMScheduler(beta_schedule="squaredcos_cap_v2").alphas_cumprod
    assert torch.allclose(diffusers_cosine(), theirs, atol=1e-6)


def test_a_wrong_path_is_named(tmp_path):
    with pytest.raises(UserError, match=r"expected (a mesh file|some of)"):
        load(path=str(tmp_path / "nothing.glb"))
    with pytest.raises(UserError, match=r"expected (a mesh file|some of)"):
        load(path=str(tmp_path))
