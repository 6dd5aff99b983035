"""One run by several processes: ``torchrun --nproc-per-node=2 -m dream3d prompt="a corgi"``.

Data parallelism over views: every process renders cameras of its own, and gradients are averaged before the optimiser's
step, so that a step sees ``batch_size`` cameras times the number of processes. The first process writes the run's
folder and makes the mesh; the others optimise copies in temporary folders. On GPUs each process takes its own.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from omegaconf import DictConfig
from torch import distributed

from dream3d.errors import UserError
from dream3d.optimize import Setup
from dream3d.seeding import processes, rank

COPIED = ("config.yaml", "checkpoint.pt")
EVERY = 16  # steps between questions whether to stop, where an answer has to be waited for

T = TypeVar("T")


@contextmanager
def joined(settings: DictConfig, words: Sequence[str]) -> Iterator[Sequence[str]]:
    """Inside, this process is part of the job that torchrun started. Yields the command line with its own device; in
    all but the first process ``settings`` are changed to a temporary folder.

    Raises:
        UserError: a list of prompts, or an edit by dataset update, which keeps images in every process.
    """
    if settings.prompts_file is not None or settings.edit.get("dataset") is not None:
        what = "prompts_file" if settings.prompts_file is not None else "edit.dataset"
        raise UserError(f"{what}: got a run of several processes, expected one; start it without torchrun")
    local = int(os.environ["LOCAL_RANK"])
    cuda = settings.device in ("auto", "cuda") and torch.cuda.is_available()
    if cuda:
        settings.device = f"cuda:{local}"
        torch.cuda.set_device(local)
        words = [*words, f"device={settings.device}"]
    distributed.init_process_group("nccl" if cuda else "gloo")
    try:
        with tempfile.TemporaryDirectory() as place:
            if rank():
                elsewhere(settings, Path(place) / "run")
            distributed.barrier()  # the first process must not change a folder that others still copy
            yield words
    finally:
        distributed.destroy_process_group()


def elsewhere(settings: DictConfig, folder: Path) -> None:
    """Let the run take place in ``folder``, continued from a copy of the checkpoint where it is resumed."""
    if settings.resume is None:
        settings.out = str(folder)
        return
    folder.mkdir()
    for name in COPIED:
        if (Path(settings.resume) / name).is_file():
            shutil.copy(Path(settings.resume) / name, folder / name)
    settings.resume = str(folder)


def agreed(number: int, step: int, device: torch.device) -> int:
    """The signal at which to stop after this step (0: none): the highest that any process has got."""
    if processes() == 1:
        return number
    if device.type != "cpu" and step % EVERY:
        return 0
    highest = torch.tensor(number, device=device)
    distributed.all_reduce(highest, distributed.ReduceOp.MAX)
    return int(highest)


def of_first(item: T) -> T:
    """The first process's item, in every process."""
    if processes() == 1:
        return item
    items = [item]
    distributed.broadcast_object_list(items)
    return items[0]


@torch.no_grad()
def share_weights(setup: Setup) -> None:
    """Give every process the first one's fields and backgrounds: GPUs initialise them alike up to rounding only."""
    if processes() > 1:
        for module in (*setup.fields, *setup.backgrounds):
            for name, tensor in module.state_dict().items():
                if isinstance(tensor, torch.Tensor):
                    whole = tensor.contiguous()
                    distributed.broadcast(whole, 0)
                    tensor.copy_(whole)
                else:
                    raise TypeError(f"share_weights: got state '{name}' of type {type(tensor).__name__}")
