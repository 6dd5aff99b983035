"""Training the network: views of the pool -> v-prediction, with text, camera and the painted view.

Every draw of a step comes from generators seeded by (seed, step), and a step sees as many jobs as its number says:
a run that was stopped and goes on has the bits of one that was not, where ``Schedule`` counts steps.
"""

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pool import BLOCK, Pool
from torch import Tensor, nn

from dream3d.errors import UserError
from dream3d.priors.mini.network import channels_last
from dream3d.priors.mini.pipeline import MiniPipeline
from dream3d.seeding import generator

HELD = 48  # jobs that are never trained on, where there are enough
NO_TEXT, NO_CAMERA = 0.1, 0.05  # shares of a batch without; nothing is painted then
WARM = 200  # steps to the full learning rate
FLAT = 0.4  # of the run at the full rate, then a cosine to a fiftieth
WEIGHT = 6  # min(1, WEIGHT (1 - alpha_bar)): the weight of the squared error in v


@dataclass(frozen=True)
class Schedule:
    """How long: ``steps``, or ``minutes`` of all calls together."""

    minutes: float = 60
    steps: int | None = None

    def share(self, step: int, seconds: float) -> float:
        """Of the run that is over."""
        return step / self.steps if self.steps else seconds / (60 * self.minutes)


@dataclass(frozen=True)
class Options:
    batch: int = 32  # images of 64 pixels; of 128 a quarter
    lr: float = 3e-4
    seed: int = 1
    large_every: int = 4  # a step in so many is at 128 pixels


def lr_factor(step: int, share: float) -> float:
    """Of the peak rate: a linear start, then flat, then a cosine."""
    decay = 1.0 if share < FLAT else 0.51 + 0.49 * math.cos(math.pi * (share - FLAT) / (1 - FLAT))
    return min(1.0, (step + 1) / WARM) * decay


def held(jobs: int) -> int:
    """How many of the jobs, the first ones, are kept from training: a quarter of few."""
    return min(HELD, jobs // 4)


@dataclass
class Training:
    """A prior in training: ``step`` is a whole one; ``state`` and ``restore`` are all that it remembers."""

    mini: MiniPipeline
    pool: Pool
    tokens: Int[Tensor, "jobs variants l"]
    options: Options
    device: torch.device
    compiled: bool = False
    done: int = 0  # steps
    seconds: float = 0.0
    ema: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.text, self.unet = self.mini.text_encoder.to(self.device), channels_last(self.mini.unet.to(self.device))
        self.tokens = self.tokens.to(self.device)
        self.alpha_bar = self.mini.scheduler.alphas_cumprod.to(self.device)
        self.parameters = [*self.text.parameters(), *self.unet.parameters()]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=self.options.lr, betas=(0.9, 0.99), weight_decay=0.01, fused=self.device.type == "cuda"
        )
        self.ema = [p.detach().clone() for p in self.parameters]
        self.forward: Callable[..., Tensor] = torch.compile(self.v, dynamic=False) if self.compiled else self.v

    def v(self, x_t: Tensor, t: Tensor, said: Tensor, camera: Tensor, painted: Tensor) -> Tensor:
        return self.unet(x_t, t, said, class_labels=camera, painted=painted).sample

    def batch(self, rows: Int[Tensor, " b"], size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Images in [-1, 1], what is painted in [0, 1], cameras; the pool's pixels averaged down to ``size``."""
        index, factor = rows.numpy(), self.pool.size // size
        views, painted = (
            F.avg_pool2d(torch.from_numpy(a[index]).to(self.device).permute(0, 3, 1, 2).float() / 255, factor)
            for a in (self.pool.views, self.pool.painted)
        )
        return 2 * views - 1, painted, torch.from_numpy(self.pool.camera[index]).to(self.device)

    def noised(
        self, x0: Float[Tensor, "b 4 h w"], t: Int[Tensor, " b"], noise: Float[Tensor, "b 4 h w"]
    ) -> tuple[Float[Tensor, "b 4 h w"], Float[Tensor, "b 4 h w"], Float[Tensor, "b 1 1 1"]]:
        """x_t, v (arXiv 2202.00512, appendix D) and alpha_bar."""
        a = self.alpha_bar[t][:, None, None, None]
        return a.sqrt() * x0 + (1 - a).sqrt() * noise, a.sqrt() * noise - (1 - a).sqrt() * x0, a

    def seen(self) -> int:
        """How many jobs a step may draw from: as many more each step as it takes to see a view about once."""
        first = held(len(self.pool.jobs))
        return min(
            len(self.pool.jobs), first + max(16, 4 * self.options.batch) + self.done * self.options.batch // BLOCK
        )

    def loss(self) -> Float[Tensor, ""]:
        """Of the next step's batch."""
        large = self.done % self.options.large_every == self.options.large_every - 1
        size, count = (self.pool.size, max(1, self.options.batch // 4)) if large else (64, self.options.batch)
        first, last = held(len(self.pool.jobs)), self.seen()
        self.pool.wait(last)
        draw = generator(self.options.seed, self.done, "batch")
        job = torch.randint(first, last, (count,), generator=draw)
        x0, painted, camera = self.batch(job * BLOCK + torch.randint(BLOCK, (count,), generator=draw), size)
        spread = (torch.randperm(count, generator=draw) + torch.rand(count, generator=draw)) / count
        t = (1000 * spread).long().clamp(max=999).to(self.device)
        variant = torch.randint(self.tokens.shape[1], (count,), generator=draw)
        said, chance = self.tokens[job, variant], torch.rand(count, generator=draw).to(self.device)
        no_text, no_camera = chance < NO_TEXT, chance > 1 - NO_CAMERA
        said = torch.where(no_text[:, None], 0, said)
        camera = torch.where(no_camera[:, None], 0, camera)
        painted = torch.where((no_text | no_camera)[:, None, None, None], 0, painted)
        noise = torch.randn(
            x0.shape, generator=generator(self.options.seed, self.done, "noise", self.device), device=self.device
        )
        x_t, v, a = self.noised(x0, t, noise)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            got = self.forward(x_t, t, self.text(input_ids=said).last_hidden_state, camera, painted)
        weight = (WEIGHT * (1 - a)).clamp(max=1)
        return (weight * (got.float() - v).square()).mean()

    def step(self, schedule: Schedule) -> Float[Tensor, ""]:
        """One step of AdamW and of the moving average; the loss."""
        begin = time.perf_counter()
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.lr * lr_factor(self.done, schedule.share(self.done, self.seconds))
        loss = self.loss()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        late = 1 - min(0.999, (1 + self.done) / (10 + self.done))
        torch._foreach_lerp_(self.ema, [p.detach() for p in self.parameters], late)
        self.done += 1
        self.seconds += time.perf_counter() - begin
        return loss.detach()

    def averaged(self) -> MiniPipeline:
        """The prior with the averaged weights, apart from this one."""
        made = deepcopy(self.mini)
        for p, mean in zip([*made.text_encoder.parameters(), *made.unet.parameters()], self.ema, strict=True):
            p.data.copy_(mean)
        return made

    def save(self, file: Path, mark: str) -> None:
        """``mark`` says what the training is of."""
        state: dict[str, Any] = {
            "text": self.text.state_dict(), "unet": self.unet.state_dict(), "optimizer": self.optimizer.state_dict(),
            "ema": self.ema, "done": self.done, "seconds": self.seconds, "mark": mark, "options": asdict(self.options),
        }  # fmt: skip
        torch.save(state, file.with_suffix(".part"))
        file.with_suffix(".part").rename(file)

    def restore(self, file: Path, mark: str) -> None:
        """Go on from a file of ``save``.

        Raises:
            UserError: it is a training of other models or with other options.
        """
        state = torch.load(file, map_location=self.device, weights_only=True)
        if (state["mark"], state["options"]) != (mark, asdict(self.options)):
            raise UserError(
                f"{file}: got the state of a training of other models or options, expected one of these; "
                "repeat the command as it was, or delete the file to begin anew"
            )
        self.text.load_state_dict(state["text"])
        self.unet.load_state_dict(state["unet"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.ema, self.done, self.seconds = state["ema"], state["done"], state["seconds"]
