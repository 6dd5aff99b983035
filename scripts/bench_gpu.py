"""On a GPU: a step against the forward pass of a network of Stable Diffusion's size, and the twins."""

import dataclasses
import importlib.util
import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from bench_steps import prior_job, step_job, trained
from bench_timer import Job, interleaved, ratio, timing
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from dream3d.cli.overrides import composed
from dream3d.optimize import Setup
from dream3d.priors.mini.pipeline import word_tokenizer
from dream3d.render import composite
from dream3d.run.build import build
from dream3d.types import Image, Samples

WORDS = ["a", "corgi", "front", "side", "back", "overhead", "view"]


@dataclass(frozen=True)
class Size:
    """Of the network (Stable Diffusion 1.5's by default), of its latents, and of the renders in pixels."""

    width: int = 320
    groups: int = 32
    latents: int = 64
    renders: tuple[int, ...] = (64, 512)


FULL = Size()


def stable_diffusion(folder: Path, size: Size = FULL) -> Path:
    """Stable Diffusion 1.5's architecture with random weights, in float16."""
    tokenizer = word_tokenizer(WORDS)
    tokenizer.model_max_length = 77
    width = size.width
    text = width * 12 // 5
    channels, vae = (width, 2 * width, 4 * width, 4 * width), [width * k // 5 for k in (2, 4, 8, 8)]
    pipeline = StableDiffusionPipeline(
        AutoencoderKL(
            block_out_channels=vae, layers_per_block=2, latent_channels=4, norm_num_groups=size.groups,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        ),
        CLIPTextModel(CLIPTextConfig(
            vocab_size=49408, hidden_size=text, intermediate_size=4 * text, num_hidden_layers=12,
            num_attention_heads=12, eos_token_id=0, bos_token_id=0, pad_token_id=0,
        )),
        tokenizer,  # pyright: ignore[reportArgumentType]
        UNet2DConditionModel(
            sample_size=size.latents, block_out_channels=channels, cross_attention_dim=text,
            attention_head_dim=8, norm_num_groups=size.groups,
        ),
        DDIMScheduler(beta_schedule="scaled_linear", steps_offset=1, clip_sample=False),  # pyright: ignore
        None, None, requires_safety_checker=False,  # pyright: ignore
    )  # fmt: skip
    pipeline.to(torch.float16).save_pretrained(folder)
    return folder


def encode_job(setup: Setup) -> Job:
    """The VAE's encoder alone, on pictures of a step's size."""
    pixels = torch.rand(setup.batch_size, setup.size, setup.size, 3, device=setup.device)
    image = Image(pixels, torch.ones_like(pixels[..., :1]))
    black = torch.zeros(1, 1, 1, 3, device=setup.device)

    def job(number: int) -> None:
        with torch.no_grad():
            setup.prior.encode(image, black)

    return job


def run_figures(setup: Setup, steps: int, rounds: int) -> dict[str, Any]:
    """A step over what no method can do without: the guided forward of the UNet and one encoding."""
    jobs = {"unet": prior_job(setup), "encode": encode_job(setup), "step": step_job(setup, rounds, steps)}
    if setup.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(setup.device)
    times = interleaved(jobs, rounds)
    bare = [a + b for a, b in zip(times["unet"], times["encode"], strict=True)]
    summary = {name: dataclasses.asdict(timing(t)) for name, t in times.items()}
    peak = torch.cuda.max_memory_allocated(setup.device) / 2**20 if setup.device.type == "cuda" else None
    return {**summary, "ratio": ratio(times["step"], bare), "peak MiB": peak}


def field_twins(setup: Setup, rounds: int, points: int = 200_000) -> dict[str, Any]:
    """The hash grid by tinycudann over plain torch, forward and backward."""
    if importlib.util.find_spec("tinycudann") is None:
        return skipped("tinycudann is not installed")
    field: Any = setup.fields[0]
    x = torch.rand(points, 3, device=setup.device) - 0.5

    def through(encoding: str) -> None:
        field.encoding = encoding
        field.density(x).sum().backward()

    times = interleaved({e: lambda _, e=e: through(e) for e in ("torch", "tinycudann")}, rounds)
    summary = {name: dataclasses.asdict(timing(t)) for name, t in times.items()}
    return {**summary, "speed": ratio(times["torch"], times["tinycudann"])}


def compositing_twins(device: str, rounds: int, rays: int = 8192, each: int = 64) -> dict[str, Any]:
    """Weights by nerfacc over plain torch, forward and backward."""
    if composite.backend(device) == "torch":
        return skipped("nerfacc's CUDA kernels do not load")
    ray = torch.arange(rays, device=device).repeat_interleave(each)
    start = torch.arange(each, device=device).repeat(rays) / each
    samples = Samples(ray, start, start + 1 / each, rays)
    density = torch.rand(rays * each, device=device, requires_grad=True)
    twins = {"torch": composite.weights_torch, "nerfacc": composite.weights_nerfacc}
    jobs = {k: lambda _, f=f: f(density, samples).square().sum().backward() for k, f in twins.items()}
    times = interleaved(jobs, rounds)
    summary = {name: dataclasses.asdict(timing(t)) for name, t in times.items()}
    return {**summary, "speed": ratio(times["torch"], times["nerfacc"])}


def skipped(reason: str) -> dict[str, str]:
    print(f"skipped: {reason}")
    return {"skipped": reason}


def figures(device: str, rounds: int, train: int, size: Size = FULL, words: Sequence[str] = ()) -> dict[str, Any]:
    """SDS and VSD at every size of the renders, and the accelerated twins."""
    runs: dict[str, Any] = {}
    twins: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = f"prior.path={stable_diffusion(Path(folder), size)}"
        for loss, pixels in itertools.product(("dreamfusion", "prolificdreamer"), size.renders):
            more = [
                "prior=folder",
                place,
                "prompt=a corgi",
                f"device={device}",
                f"size={pixels}",
                "refine=none",
            ]
            config = composed([f"experiment={loss}", *more, *words])
            setup = trained(build(config), train)
            runs[f"{loss} {pixels}"] = run_figures(setup, config.steps, rounds)
            twins = twins or {
                "hash grid": field_twins(setup, rounds),
                "compositing": compositing_twins(device, rounds),
            }
    return {"step": next(iter(runs.values())), "runs": runs, **twins}


def gpu(rounds: int, train: int) -> dict[str, Any]:
    """All of the above for Stable Diffusion 1.5, or why not."""
    if not torch.cuda.is_available():
        return skipped("no CUDA device: not yet measured")
    return {
        "prior": "Stable Diffusion 1.5's architecture, random weights, float16",
        **figures("cuda", rounds, train),
    }
