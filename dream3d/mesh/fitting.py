"""Fits a field to samples of a mesh by gradient descent."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.contracts import TrainableField, parameter_groups

LAST = 10  # steps whose mean error is reported


def fit(
    field: TrainableField,
    errors_of: Callable[[torch.device], tuple[Float[Tensor, ""], Float[Tensor, ""]]],
    *,
    steps: int,
    lr: float,
) -> float:
    """Adam for a number of steps, the learning rate falling linearly from ``lr`` to a tenth of it.

    ``errors_of`` draws samples and returns what is minimised and the mean squared error to report.
    Returns the last steps' root mean squared error.
    """
    optimizer = torch.optim.Adam([{**g, "lr": 0.0} for g in parameter_groups(field)], betas=(0.9, 0.99), eps=1e-15)
    device = optimizer.param_groups[0]["params"][0].device
    errors: list[Tensor] = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * group["lr_scale"] * (1 - 0.9 * step / steps)
        loss, error = errors_of(device)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        errors.append(error.detach())
    return float(torch.stack(errors[-LAST:]).mean().sqrt())
