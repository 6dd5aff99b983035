"""On a GPU: a step against the forward pass of a network of Stable Diffusion's size, and the twins."""

import dataclasses
import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import torch
from bench_steps import step_and_prior, trained
from bench_timer import interleaved, ratio, timing
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from dream3d.build import build
from dream3d.compose import composed
from dream3d.optimize import Setup
from dream3d.priors.mini.pipeline import word_tokenizer
from dream3d.render import composite
from dream3d.types import Samples

WORDS = ["a", "corgi", "front", "side", "back", "overhead", "view"]


def stable_diffusion(folder: Path, width: int = 320) -> Path:
    """Stable Diffusion 1.5's architecture (``width`` 320) with random weights, in float16."""
    tokenizer = word_tokenizer(WORDS)
    tokenizer.model_max_length = 77
    text = CLIPTextConfig(vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
                          num_attention_heads=12, eos_token_id=0, bos_token_id=0, pad_token_id=0)  # fmt: skip
    channels = (width, 2 * width, 4 * width, 4 * width)
    vae = (width * 2 // 5, width * 4 // 5, width * 8 // 5, width * 8 // 5)
    pipeline = StableDiffusionPipeline(
        AutoencoderKL(
            block_out_channels=vae, layers_per_block=2, latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        ),
        CLIPTextModel(text),
        tokenizer,  # pyright: ignore[reportArgumentType]
        UNet2DConditionModel(
            sample_size=64, block_out_channels=channels, cross_attention_dim=768, attention_head_dim=8
        ),
        DDIMScheduler(beta_schedule="scaled_linear", steps_offset=1, clip_sample=False),  # pyright: ignore
        None, None, requires_safety_checker=False,  # pyright: ignore
    )  # fmt: skip
    pipeline.to(torch.float16).save_pretrained(folder)
    return folder


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


def compositing_twins(rounds: int, rays: int = 8192, each: int = 64) -> dict[str, Any]:
    """Weights by nerfacc over plain torch, forward and backward."""
    if composite.backend("cuda") == "torch":
        return skipped("nerfacc's CUDA kernels do not load")
    ray = torch.arange(rays, device="cuda").repeat_interleave(each)
    start = torch.arange(each, device="cuda").repeat(rays) / each
    samples = Samples(ray, start, start + 1 / each, rays)
    density = torch.rand(rays * each, device="cuda", requires_grad=True)
    twins = {"torch": composite.weights_torch, "nerfacc": composite.weights_nerfacc}
    jobs = {k: lambda _, f=f: f(density, samples).square().sum().backward() for k, f in twins.items()}
    times = interleaved(jobs, rounds)
    summary = {name: dataclasses.asdict(timing(t)) for name, t in times.items()}
    return {**summary, "speed": ratio(times["torch"], times["nerfacc"])}


def skipped(reason: str) -> dict[str, str]:
    print(f"skipped: {reason}")
    return {"skipped": reason}


def gpu(rounds: int, train: int) -> dict[str, Any]:
    """All of the above, or why not."""
    if not torch.cuda.is_available():
        return skipped("no CUDA device")
    with tempfile.TemporaryDirectory() as folder:
        place = f"prior.path={stable_diffusion(Path(folder))}"
        config = composed(["experiment=dreamfusion", "prior=folder", place, "prompt=a corgi", "device=cuda"])
        setup = trained(build(config), train)
    return {
        "prior": "Stable Diffusion 1.5's architecture, random weights, float16",
        "step": step_and_prior(setup, config.steps, rounds),
        "hash grid": field_twins(setup, rounds),
        "compositing": compositing_twins(rounds),
        "peak MiB": torch.cuda.max_memory_allocated() / 2**20,
    }
