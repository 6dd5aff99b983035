"""``log=[tensorboard, wandb]``: also sends the lines of ``metrics.jsonl`` to these, if they are installed."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, runtime_checkable

Row = Mapping[str, float | int | None]


@runtime_checkable
class Logger(Protocol):
    """Takes the scalars of a step (None: not finite) and is closed at the end of a stage."""

    def write(self, step: int, row: Row) -> None: ...
    def close(self) -> None:
        """Flush what is still buffered; called once, at the end of the run."""
        ...


class TensorBoard:
    """Event files in ``<run>/tensorboard/<stage>``; a resumed run hides what comes after its checkpoint."""

    def __init__(self, folder: Path, stage: str, begin: int, settings: Mapping[str, object]) -> None:
        writer = import_module("torch.utils.tensorboard").SummaryWriter
        self._writer = writer(str(folder / "tensorboard" / stage), purge_step=begin)
        if begin == 0:
            self._writer.add_text("prompt", str(settings.get("prompt", "")), 0)

    def write(self, step: int, row: Row) -> None:
        for name, value in row.items():
            if value is not None:
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """A run of the project ``dream3d`` for each stage, grouped by the run's folder. ``WANDB_MODE=offline`` keeps
    it on this machine, ``WANDB_PROJECT`` renames the project."""

    def __init__(self, folder: Path, stage: str, begin: int, settings: Mapping[str, object]) -> None:
        import os

        wandb = import_module("wandb")
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "dream3d"),
            name=f"{folder.name}/{stage}",
            group=folder.name,
            dir=str(folder),
            config={**settings, "begin": begin},
            reinit="create_new",
            settings=wandb.Settings(silent=True),
        )

    def write(self, step: int, row: Row) -> None:
        self._run.log({name: value for name, value in row.items() if value is not None}, step=step)

    def close(self) -> None:
        self._run.finish()


Make = Callable[[Path, str, int, Mapping[str, object]], Logger]
KINDS: dict[str, tuple[str, Make]] = {
    "tensorboard": ("tensorboard", TensorBoard),
    "wandb": ("wandb", WeightsAndBiases),
}
"""Name in ``log=`` -> the package that it needs, the class. jsonl is always written."""


def loggers(kinds: Sequence[str], folder: Path, stage: str, begin: int, settings: Mapping[str, object]) -> list[Logger]:
    """Open the loggers of ``kinds``; ``settings`` are logged with the curves where the logger supports it."""
    return [KINDS[kind][1](folder, stage, begin, settings) for kind in kinds if kind in KINDS]
