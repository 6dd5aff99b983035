"""What a step asks of a device: how many operators are launched, how often the host waits for an answer.

Both are counted on a CPU as a GPU would see them: with every ray kept, and without the check that gradients
are finite, which elsewhere waits in every 16th step only. The prior's network (with what it is told: text, a
painted shape) is counted apart from the rest.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch.autograd.profiler import record_function
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from dream3d.cli.overrides import composed
from dream3d.optimize import Setup, optimize
from dream3d.run.build import build

NETWORK = "the prior's network"
WAITS = {"_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "_unique", "_unique2", "unique_dim", "equal"}
MASKED = {"index", "index_put", "index_put_", "_index_put_impl_"}
# Leaf operators that only describe or allocate memory: a device is launched nothing for them.
BOOKKEEPING = {
    "alias", "as_strided", "as_strided_", "detach", "detach_", "empty", "empty_like", "empty_strided", "expand",
    "lift_fresh", "narrow", "permute", "reshape", "resize_", "resolve_conj", "resolve_neg", "result_type", "select",
    "set_", "slice", "split", "squeeze", "t", "to", "transpose", "unbind", "unsqueeze", "view", "view_as_real",
    "_local_scalar_dense", "_reshape_alias", "_unsafe_view",
}  # fmt: skip
CASES = {"default": (), "VSD on a hash grid": ("distill=vsd", "field=hashgrid")}


class Waits(TorchDispatchMode):
    """Counts operators whose result the host must read before it can go on; ``inside`` those of the network."""

    def __init__(self) -> None:
        super().__init__()
        self.network = False
        self.found: Counter[bool] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in WAITS or (name in MASKED and masked(args[1])):
            self.found[self.network] += 1
        return func(*args, **(kwargs or {}))


def masked(index: Sequence[Any]) -> bool:
    return any(isinstance(i, torch.Tensor) and i.dtype in (torch.bool, torch.uint8) for i in index)


@contextmanager
def watched(prior: Any, waits: Waits) -> Iterator[None]:
    """Inside, calls of the prior's network (``predict``) are marked in the profile and told to ``waits``."""
    predict = getattr(type(prior), "predict", None)
    if predict is None:  # an exact prior
        yield
        return

    def marked(*args: Any) -> Any:
        waits.network = True
        with record_function(NETWORK):
            out = predict(*args)
        waits.network = False
        return out

    with patch.object(type(prior), "predict", marked):
        yield


def parents(event: FunctionEvent | None) -> Iterator[FunctionEvent]:
    while event is not None:
        yield event
        event = event.cpu_parent


def operators(events: Sequence[FunctionEvent]) -> tuple[Counter[bool], Counter[bool]]:
    """Leaf operators, and those of them that compute or copy something (what a GPU is launched): of the network,
    forward and (by autograd's numbers) backward, and the others."""
    forward = {e.sequence_nr for e in events if any(p.name == NETWORK for p in parents(e))} - {-1}
    found: Counter[bool] = Counter()
    launched: Counter[bool] = Counter()
    for event in events:
        if event.name.startswith("aten::") and not any(c.name.startswith("aten::") for c in event.cpu_children):
            above = list(parents(event))
            back = any("Backward" in p.name and p.sequence_nr in forward for p in above)
            inside = back or any(p.name == NETWORK for p in above)
            found[inside] += 1
            launched[inside] += event.name.removeprefix("aten::") not in BOOKKEEPING
    return found, launched


def counted(setup: Setup, step: int) -> dict[str, dict[str, int]]:
    """Of one step, the setup being warm: leaf operators, launches and waits, inside and outside the network."""
    waits = Waits()
    with patch("dream3d.render.sampling.compacts", lambda _: False), patch("dream3d.optimize.check_finite"):
        with watched(setup.prior, waits), profile(activities=[ProfilerActivity.CPU]) as profiled:
            next(optimize(setup, step, step + 1))
        with watched(setup.prior, waits), waits:
            next(optimize(setup, step + 1, step + 2))
    leaves, launched = operators(profiled.events() or [])
    return {
        "operators": {"network": leaves[True], "rest": leaves[False]},
        "launches": {"network": launched[True], "rest": launched[False]},
        "waits": {"network": waits.found[True], "rest": waits.found[False]},
    }


def counts(words: Sequence[str], warm: int = 2) -> dict[str, Any]:
    """Of every case; step 17 is one without a refresh of the occupancy grid."""
    found = {}
    for name, more in CASES.items():
        own = any(word.startswith("field=") for word in more)  # settings of another field do not apply
        setup = build(composed([*(w for w in words if not (own and w.startswith("field."))), *more]))
        for _ in itertools.islice(optimize(setup, 0, warm), warm):
            pass
        found[name] = counted(setup, 17)
    return found
