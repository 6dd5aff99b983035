import numpy as np
import torch

from dream3d.distill.asd import asd
from dream3d.distill.sds import sds
from dream3d.distill.weight import uniform


def test_expected_gradient(world, close, t) -> None:
    """20,000 noise_samples, shift 0.3: guided at t less the mean of the plain ones at the random later levels."""
    got = world.mean_gradient(lambda *a: asd(*a, scale=7.5, weight=uniform, shift=0.3), t)
    width, cond = 0.3 * (t - 20), world.text(1).cond[0]
    later = np.minimum(t + np.floor(width * (np.arange(5000) + 0.5) / 5000).astype(int), 999)
    reference = torch.stack([world.expected_eps(int(u), cond) for u in later]).mean(0)
    assert close(got, world.expected_eps(t, world.guided_mean(7.5)) - reference)


def test_without_shift_only_guidance_remains(world, t) -> None:
    """shift 0: ``(s - 1) (eps(y) - eps(null))``, which is guided less plain SDS."""
    args = world.draw(20, t)
    guided, bare = (sds(*args, scale=s, weight=uniform).grad for s in (7.5, 1.0))
    torch.testing.assert_close(asd(*args, scale=7.5, weight=uniform, shift=0.0).grad, guided - bare)
