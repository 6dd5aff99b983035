"""Small models with known shapes, and a prior's folder of them, for the scripts that make priors."""

from pathlib import Path

import numpy as np
import torch
from captions import make_jobs, vocabulary
from models import Concept, Library, Model, model_of
from pack import pack
from pool import Pool
from scenes import box, sphere
from train_network import tokens_of
from training import Options, Training
from views import Meshes

from dream3d.priors.mini.latents import UNIT, TriplaneDecoder
from dream3d.priors.mini.network import MiniUNet
from dream3d.priors.mini.pipeline import MiniPipeline, new_mini


def ball(name: str = "ball", radius: float = 0.5) -> Model:
    return model_of(name, sphere(radius))


def library() -> Library:
    """A ball, another ball that comes second, and a box that keeps its colours."""
    models = [ball(), ball("small ball", 0.3), model_of("cube", box(), recolour=False)]
    concepts = {"ball": Concept(("globe",), ("ball", "small ball")), "box": Concept((), ("cube",))}
    return Library({model.name: model for model in models}, concepts)


class BallDecoder(TriplaneDecoder):
    """Knows a ball of radius 0.5 that takes paint above and is red below, whatever the latent."""

    def forward(self, latent, x):
        above = (x[..., 1:2] > 0).float()
        shown = torch.cat((1 - above, 0 * above, 0 * above, 0.4 * above), dim=-1)
        return 0 * latent.sum() + x.norm(dim=-1) - 0.5, shown


def planes(names: tuple[str, ...] = ("ball", "cube")) -> dict[str, torch.Tensor]:
    made = torch.Generator().manual_seed(0)
    return {name: 0.1 * torch.randn(3, 4, 8, 8, generator=made) for name in names}


def shapes(folder: Path) -> Path:
    """A prior's folder with shapes for ``library``: those of a decoder at random, shifted to be inside for a half."""
    torch.manual_seed(0)
    decoder, latents = TriplaneDecoder(4, 16), planes()
    with torch.no_grad():
        distance, _ = decoder(latents["ball"][None], 2 * torch.rand(1, 1000, 3) - 1)
        decoder.state_dict()["layers.4.bias"][0] -= distance.median() / UNIT
    pack(library(), latents, decoder, folder)
    return folder


def tiny_mini(words: list[str]) -> MiniPipeline:
    torch.manual_seed(0)
    made = new_mini(words, width=16)
    made.unet = MiniUNet(channels=(16, 16, 16), heads=(0, 1, 1), embedding=16, text_width=16)
    return made


def gray(views: np.ndarray) -> np.ndarray:
    """uint8 pictures as numbers in [0, 1]."""
    return views.astype(np.float64) / 255


def filled_pool(jobs: int = 12) -> Pool:
    """Of ``library``; what is painted are the models themselves."""
    models = list(library().models.values())
    numbers = {model.name: i for i, model in enumerate(models)}
    listed = make_jobs(library(), ("ball", "cube"), jobs, np.random.default_rng(0))
    made = Pool(numbers, numbers, Meshes.of(models), listed, 128, 1, 1)
    for job in range(jobs):
        made.fill(job)
    return made


def training(pool: Pool, options: Options) -> Training:
    """A tiny network on the CPU."""
    mini = tiny_mini(vocabulary(library().concepts))
    return Training(mini, pool, tokens_of(mini, list(pool.jobs)), options, torch.device("cpu"))
