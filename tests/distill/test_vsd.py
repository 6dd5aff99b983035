from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from gaussian_world import GaussianStudent

from dream3d.distill.sds import sds
from dream3d.distill.vsd import vsd
from dream3d.distill.weight import sigma_squared


def test_expected_gradient(world, student, close, t) -> None:
    """20,000 noise_samples, a student of N(m', s'^2 I): the difference of two ``expected_eps``."""
    got = world.mean_gradient(lambda *a: vsd(*a, student=student, scale=7.5, weight=sigma_squared), t)
    _, sigma = world.levels(t)
    want = world.expected_eps(t, world.guided_mean(7.5)) - world.expected_eps(t, student.mean, student.std)
    assert close(got, sigma**2 * want)


def test_is_zero_where_the_student_is_the_prior(world, student) -> None:
    args = world.draw(20, 300)
    student.mean, student.std = args[4].cond[0], world.prior.std
    got = vsd(*args, student=student, scale=1.0, weight=sigma_squared)
    assert got.grad.abs().max() < 1e-14
    other = vsd(*args, student=student, scale=1.5, weight=sigma_squared)
    assert other.grad.abs().max() > 0.01


def test_is_sds_where_the_student_knows_the_one_particle(world, dirac, close, t) -> None:
    args = world.draw(100, t)
    got = vsd(*args, student=dirac, scale=7.5, weight=sigma_squared).grad
    torch.testing.assert_close(got, sds(*args, scale=7.5, weight=sigma_squared).grad)


def test_second_implementation(world, student) -> None:
    """The paper's form in NumPy: ``-sigma (score_prior - score_particles)``, one t an image."""
    prior, x, _, noise, text = world.draw(5, 0)
    t = torch.tensor([1, 200, 500, 800, 998])
    got = vsd(prior, x, t, noise, text, student=student, scale=7.5, weight=sigma_squared).grad.numpy()
    for i in range(5):
        a2 = prior.alpha_bar.numpy()[t[i]]
        z = np.sqrt(a2) * x[i].numpy() + np.sqrt(1 - a2) * noise[i].numpy()

        def score(mean, std, z=z, a2=a2):
            return (np.sqrt(a2) * np.asarray(mean) - z) / (a2 * std**2 + 1 - a2)

        null = score(text.null[i], 0.5)
        prior_score = null + 7.5 * (score(text.cond[i], 0.5) - null)
        want = -(1 - a2) * np.sqrt(1 - a2) * (prior_score - score(student.mean, student.std))
        np.testing.assert_allclose(got[i], want, rtol=1e-9)


@dataclass
class SeesCameras:
    """A student with one Gaussian for views whose camera it is told, another for all views together."""

    told: GaussianStudent
    hidden: GaussianStudent
    calls: int = 0

    def eps(self, x_t, t, text):
        self.calls += 1
        return (self.hidden if text.camera is None else self.told).eps(x_t, t, text)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_entropic_expected_gradient(world, student, close, t, share) -> None:
    """ESD, 20,000 noise_samples: the student is a mix of the one told the camera and the one it is hidden from."""
    seeing = SeesCameras(student, GaussianStudent(student.alpha_bar, torch.full((4,), -0.8, dtype=torch.float64), 1.2))

    def loss(prior, x, t, noise, text):
        text = replace(text, camera=torch.ones(len(x), 17))
        return vsd(prior, x, t, noise, text, student=seeing, scale=7.5, weight=sigma_squared, student_scale=share)

    got = world.mean_gradient(loss, t)
    assert seeing.calls == (1 if share == 1 else 2)
    told, hidden = (world.expected_eps(t, s.mean, s.std) for s in (seeing.told, seeing.hidden))
    _, sigma = world.levels(t)
    want = world.expected_eps(t, world.guided_mean(7.5)) - share * told - (1 - share) * hidden
    assert close(got, sigma**2 * want)
