"""A local edit by a graph cut: which of a lattice's vertices are the edit's, and which stay the source's.

Vox-E (arXiv 2303.12048, Sec. 4.3) cuts its grid between an edit's and an object's attention. Here nothing of a network
is looked at: what pulls a vertex to the edit is how much the edit changed it.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, maximum_flow
from torch import Tensor

from dream3d.editing.change import sampled
from dream3d.editing.region import lattice
from dream3d.types import Field

EVIDENT = 0.15  # difference of a colour channel that surely is an edit's
LENGTH = 0.03  # length along a ray over which opacity is compared: about two samples
UNIT = 1000  # capacities are whole numbers, this many to 1


@torch.no_grad()
def changed_part(now: Field, before: Field, allowed: Bool[Tensor, "z y x"], smooth: float) -> Bool[Tensor, "z y x"]:
    """The vertices of a lattice over [-1, 1]^3 that a graph cut gives to the edit. A vertex counts as changed by the
    difference of the opacities there and, where both are solid, of the colours (``EVIDENT``: surely)."""
    points = lattice(len(allowed)).to(allowed.device)
    new, old = sampled(now, points), sampled(before, points)
    solid, was = (-torch.expm1(-s.density * LENGTH) for s in (new, old))
    painted = (new.colour - old.colour).abs().amax(-1) * torch.minimum(solid, was) / EVIDENT
    changed = ((solid - was).abs() + painted).clamp(max=1).view(allowed.shape)
    look = torch.cat((was[:, None], was[:, None] * old.colour), dim=-1).view(*allowed.shape, -1)
    return graph_cut(changed.cpu(), allowed.cpu(), look.cpu(), smooth).to(allowed.device)


def graph_cut(
    changed: Float[Tensor, "z y x"], allowed: Bool[Tensor, "z y x"], look: Float[Tensor, "z y x c"], smooth: float
) -> Bool[Tensor, "z y x"]:
    """The labels l that minimise ``sum_i |l_i - changed_i| + smooth sum_ij w_ij |l_i - l_j|`` exactly (Boykov and
    Kolmogorov 2004): 1 is the edit. ``changed`` is in [0, 1], 0.5 being undecided; vertices that are not ``allowed``
    are 0. j runs over the 6 neighbours, ``w_ij = exp(-|look_i - look_j|^2 / (2 v))``, v the mean of those squares.
    """
    shape, n = tuple(changed.shape), changed.numel()
    flat = changed.flatten().double().clamp(0, 1).numpy()
    where = allowed.flatten().numpy()
    a, b, weight = neighbours(look, smooth)
    inside = where[a] & where[b]
    border = where[a] != where[b]
    outwards = np.bincount(np.where(where[a], a, b)[border], weight[border], minlength=n)  # its neighbour is 0
    keep = where * (1 - flat + outwards)
    edit = where * flat
    every = np.arange(n)
    rows = np.concatenate((np.full(n, n), every, a[inside], b[inside]))
    columns = np.concatenate((every, np.full(n, n + 1), b[inside], a[inside]))
    capacity = np.concatenate((edit, keep, weight[inside], weight[inside]))
    graph = csr_matrix(((UNIT * capacity).round().astype(np.int32), (rows, columns)), shape=(n + 2, n + 2))
    left = graph - maximum_flow(graph, n, n + 1).flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    reached = breadth_first_order(left, n, return_predecessors=False)
    labels = np.zeros(n + 2, dtype=bool)
    labels[reached] = True
    return torch.from_numpy(labels[:n] & where).view(shape)


def neighbours(
    look: Float[Tensor, "z y x c"], smooth: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Every pair of vertices side by side, and ``smooth w_ij``."""
    index = torch.arange(look[..., 0].numel()).view(look.shape[:3])
    pairs, squares = [], []
    for axis in range(3):
        length = look.shape[axis] - 1
        pairs.append([index.narrow(axis, at, length).flatten() for at in (0, 1)])
        squares.append((look.narrow(axis, 0, length) - look.narrow(axis, 1, length)).square().sum(-1).flatten())
    square = torch.cat(squares).double()
    weight = smooth * torch.exp(-square / (2 * square.mean()).clamp(min=1e-12))
    a, b = (torch.cat([pair[side] for pair in pairs]).numpy() for side in (0, 1))
    return a, b, weight.numpy()
