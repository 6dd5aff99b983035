"""Train the embedded prior on rendered views (scripts/render_views.py).

    python scripts/train_mini.py VIEWS OUT --minutes 120 [--init dream3d/priors/mini] [--device cuda]

OUT/pipeline is a usable prior (``prior.path=OUT/pipeline``), rewritten every ``--export`` minutes;
OUT/state-NN.pt (pieces of 15 MB) continues the run exactly when the command is given again.
The learning rate decays over the last third of ``--minutes``. OUT/log.jsonl has the losses.
"""

import argparse
import copy
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image as Picture
from torch import nn

from dream3d.cameras import flatten, turntable
from dream3d.priors.mini.captions import vocabulary
from dream3d.priors.mini.network import channels_last
from dream3d.priors.mini.pipeline import Mini, load_mini, new_mini, save_mini, widen
from dream3d.priors.mini.sample import ddim
from dream3d.priors.mini.views import Batch, Views
from dream3d.priors.mini.volumes import Volumes, volume_loss

PIECE = 15_000_000
TEMPLATE = 4.0  # weight of the template's loss: 1 in units of [-1, 1]


@dataclass
class State:
    """Everything that changes while training."""

    mini: Mini
    optimizer: torch.optim.Optimizer
    ema: list[torch.Tensor]
    step: int = 0
    seconds: float = 0.0

    def parameters(self) -> list[nn.Parameter]:
        return trained(self.mini)


def trained(mini: Mini) -> list[nn.Parameter]:
    """The parameters that the stage does not freeze."""
    both = [*mini.unet.parameters(), *mini.text_encoder.parameters()]
    return [p for p in both if p.requires_grad]


def freeze(mini: Mini, stage: str) -> None:
    """volumes, words: text encoder and template; template: that alone; unet: the rest; both: everything."""
    for p in mini.unet.parameters():
        p.requires_grad_(stage in ("unet", "both"))
    for p in mini.unet.template.parameters():
        p.requires_grad_(stage != "unet")
    for p in mini.text_encoder.parameters():
        p.requires_grad_(stage in ("volumes", "words", "both"))


def loss_of(mini: Mini, batch: Batch, alpha_bar: torch.Tensor, args: argparse.Namespace) -> torch.Tensor:
    """v-prediction loss, ``min(snr + 1, 6) / (snr + 1) |v - v_hat|^2``.

    In terms of x0 that is ``min(snr + 1, 6) |x0 - x0_hat|^2``: the clipping of min-SNR (arXiv 2303.09556),
    but a weight of 1 instead of snr at high noise, where text and camera decide everything.
    """
    device = mini.unet.device
    a = alpha_bar[batch.t][:, None, None, None]
    alpha, sigma = a.sqrt(), (1 - a).sqrt()
    noise = (batch.x_t - alpha * batch.x0) / sigma.clamp(min=1e-4)
    v = (alpha * noise - sigma * batch.x0).to(device)
    with torch.autocast(device.type, dtype=args.dtype, enabled=args.dtype != torch.float32):
        text, camera = mini.embed(batch.captions), batch.camera.to(device)
        painted = mini.unet.paint(text, camera)
        if args.stage in ("volumes", "words", "template"):
            return TEMPLATE * template_loss(painted, batch)
        out = mini.unet(batch.x_t.to(device), batch.t.to(device), text, class_labels=camera, painted=painted).sample
    snr = (a / (1 - a).clamp(min=1e-8)).to(device)
    weight = (snr + 1).clamp(max=6) / (snr + 1)
    return (weight * (out.float() - v).square()).mean() + TEMPLATE * template_loss(painted, batch)


def template_loss(painted: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Squared error of the template's colour and alpha against the typical picture, if a camera is given."""
    target = F.interpolate(batch.typical.to(painted.device), size=painted.shape[-1], mode="area") / 2 + 0.5
    given = (batch.camera.abs().sum(dim=1) > 0).to(painted.device).float()[:, None, None, None]
    return (given * (painted[:, :4] - target).square()).mean()


def learning_rate(peak: float, step: int, progress: float) -> float:
    """Linear warm-up over 300 steps; half a cosine down to 2 % over the last third of the time."""
    decay = max(0.0, (progress - 2 / 3) * 3)
    return peak * min(1.0, (step + 1) / 300) * (0.51 + 0.49 * math.cos(math.pi * min(1.0, decay)))


def train_step(state: State, views: Views, alpha_bar: torch.Tensor, args: argparse.Namespace) -> float:
    progress = state.seconds / (60 * args.minutes)
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(args.lr, state.step, progress)
    seed = (args.seed, state.step)
    if args.volumes is None:
        loss = loss_of(state.mini, views.batch(args.batch, alpha_bar, seed), alpha_bar, args)
    else:
        captions, target = args.volumes.batch(args.batch, seed)
        with torch.autocast(args.device, dtype=args.dtype, enabled=args.dtype != torch.float32):
            cells = state.mini.unet.template(state.mini.embed(captions))
            loss = TEMPLATE * volume_loss(cells, target.to(args.device))
    loss.backward()
    nn.utils.clip_grad_norm_(state.parameters(), 1.0)
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=True)
    decay = min(args.ema, (1 + state.step) / (10 + state.step))
    torch._foreach_lerp_(state.ema, [p.detach() for p in state.parameters()], 1 - decay)
    state.step += 1
    return float(loss.detach())


def averaged(state: State) -> Mini:
    """A copy of the prior with the averaged weights."""
    mini = copy.deepcopy(state.mini)
    for p, average in zip(trained(mini), state.ema, strict=True):
        p.data.copy_(average)
    return mini


@torch.no_grad()
def grid(mini: Mini, prompts: list[str], file: Path, device: str) -> None:
    """Samples of the prompts (rows) from six sides (columns) on white; beside them the templates."""
    size = mini.unet.config.sample_size
    flat = flatten(turntable(6, 0.35, 3.2, 0.70, size)).to(device)
    rows = []
    for prompt in prompts:
        x = ddim(mini, [prompt] * 6, flat, torch.Generator().manual_seed(0)).cpu()
        painted = mini.unet.paint(mini.embed([prompt] * 6), flat).cpu().float()[:, :4]
        x = torch.cat((x, F.interpolate(painted, size=size)))
        rgb = x[:, :3] + 1 - x[:, 3:]
        rows.append(rgb.permute(2, 0, 3, 1).flatten(1, 2))
    Picture.fromarray((torch.cat(rows).clamp(0, 1) * 255).byte().numpy()).save(file)


def save_state(state: State, out: Path) -> None:
    """The run in pieces of 15 MB, written beside the old ones and then moved over them."""
    whole = out / "state.tmp"
    torch.save(
        {
            "unet": state.mini.unet.state_dict(),
            "text": state.mini.text_encoder.state_dict(),
            "optimizer": state.optimizer.state_dict(),
            "ema": state.ema,
            "step": state.step,
            "seconds": state.seconds,
        },
        whole,
    )
    data = whole.read_bytes()
    whole.unlink()
    for i in range(0, len(data), PIECE):
        piece = out / f"state-{i // PIECE:02d}.new"
        piece.write_bytes(data[i : i + PIECE])
    for piece in sorted(out.glob("state-*.new")):
        piece.rename(piece.with_suffix(".pt"))


def load_state(state: State, out: Path) -> None:
    whole = out / "state.tmp"
    whole.write_bytes(b"".join(p.read_bytes() for p in sorted(out.glob("state-*.pt"))))
    saved = torch.load(whole, weights_only=True)
    whole.unlink()
    state.mini.unet.load_state_dict(saved["unet"])
    state.mini.text_encoder.load_state_dict(saved["text"])
    state.optimizer.load_state_dict(saved["optimizer"])
    state.ema, state.step, state.seconds = saved["ema"], saved["step"], saved["seconds"]


def export(
    state: State,
    views: Views,
    alpha_bar: torch.Tensor,
    held: list[Batch],
    losses: list[float],
    args: argparse.Namespace,
) -> None:
    """Pipeline, sample grid, held-out loss of the average, log line, state."""
    mini = averaged(state)
    mini.unet.eval()
    with torch.no_grad():
        held_loss = sum(float(loss_of(mini, b, alpha_bar, args)) for b in held) / max(1, len(held))
    prompts = [f"a {concept}" for concept in views.concepts[: args.grid]]
    if prompts:
        grid(mini, prompts, args.out / f"grid-{state.step:06d}.png", args.device)
    save_mini(mini, args.out / "pipeline")
    concepts = {c["concept"]: c["nouns"][1:] for c in views.cards}
    (args.out / "pipeline" / "concepts.json").write_text(json.dumps(concepts, indent=1) + "\n")
    save_state(state, args.out)
    line = {"step": state.step, "minutes": round(state.seconds / 60, 2),
            "loss": sum(losses) / max(1, len(losses)),
            "held_out": held_loss, "images": state.step * args.batch}  # fmt: skip
    with (args.out / "log.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")
    print(line, flush=True)


def start(args: argparse.Namespace, views: Views) -> State:
    torch.manual_seed(args.seed)
    words = vocabulary(views.cards)
    mini = widen(load_mini(args.init), words) if args.init else new_mini(words)
    channels_last(mini.unet.to(args.device))
    mini.text_encoder.to(args.device)
    freeze(mini, args.stage)
    parameters = trained(mini)
    optimizer = torch.optim.AdamW(parameters, lr=args.lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    state = State(mini, optimizer, [p.detach().clone() for p in parameters])
    if list(args.out.glob("state-*.pt")):
        load_state(state, args.out)
        print(f"resumed at step {state.step}, {state.seconds / 60:.1f} minutes", flush=True)
    return state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("views", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--export", type=float, default=10, help="minutes between exports")
    parser.add_argument("--grid", type=int, default=8, help="concepts in the sample grid; 0: no grid")
    parser.add_argument("--init", type=Path, help="start from this prior's weights; new words are added")
    parser.add_argument(
        "--stage",
        choices=("volumes", "words", "template", "unet", "both"),
        default="both",
        help="what is trained",
    )
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--ema", type=float, default=0.999)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: all)")
    parser.add_argument("--float32", action="store_true", help="no bfloat16")
    args = parser.parse_args()
    args.dtype = torch.float32 if args.float32 else torch.bfloat16
    if args.threads:
        torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    views = Views(args.views)
    args.volumes = Volumes(args.views, views) if args.stage == "volumes" else None
    state = start(args, views)
    alpha_bar = state.mini.scheduler.alphas_cumprod
    held_views = Views(args.views, first=900, last=999) if list(args.views.glob("views-9??.npz")) else None
    held = [held_views.batch(16, alpha_bar, (1, i), drop=0.0) for i in range(8)] if held_views else []
    losses: list[float] = []
    exported = state.seconds
    while state.seconds < 60 * args.minutes:
        begin = time.perf_counter()
        losses.append(train_step(state, views, alpha_bar, args))
        # A paused process must not pay for its pause.
        state.seconds += min(5.0, time.perf_counter() - begin)
        if state.step % 100 == 0:
            print(
                f"step {state.step} {state.seconds / 60:.1f} min loss {sum(losses[-100:]) / 100:.4f}",
                flush=True,
            )
        if state.seconds - exported > 60 * args.export:
            export(state, views, alpha_bar, held, losses, args)
            losses, exported = [], state.seconds
    if losses or not (args.out / "pipeline").exists():
        export(state, views, alpha_bar, held, losses, args)


if __name__ == "__main__":
    main()
