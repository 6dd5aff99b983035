"""Learned human preference with weights given by the user: ImageReward and HPS v2. Nothing is downloaded."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image as Pillow
from torch import Tensor

from dream3d.compare.clip import from_open_clip
from dream3d.errors import UserError
from dream3d.metrics.r_precision import cosine_similarity


@dataclass(frozen=True)
class Reward:
    """A score of pictures for a prompt, the higher the better."""

    name: str
    score: Callable[[Float[Tensor, "n h w 3"], str], float]


def image_reward(folder: str) -> Reward:
    """ImageReward (arXiv 2304.05977): the mean of its score, about -2 to 2, by the package ``image-reward``.

    ``folder`` holds ``ImageReward.pt`` and ``med_config.json`` of its release.

    Raises:
        UserError: the package or the files are not there.
    """
    place = Path(folder).expanduser()
    weights, config = place / "ImageReward.pt", place / "med_config.json"
    missing = [file.name for file in (weights, config) if not file.is_file()]
    if missing:
        raise UserError(
            f"image_reward: got '{folder}', where {' and '.join(missing)} is missing; give the folder with both"
        )
    try:
        package = importlib.import_module("ImageReward")
    except ImportError as error:
        raise UserError("image_reward: the package is not installed; pip install image-reward") from error
    model = package.load(str(weights), device="cpu", med_config=str(config))

    def score(pictures: Tensor, prompt: str) -> float:
        found = [float(model.score(prompt, picture)) for picture in pillows(pictures)]
        return sum(found) / len(found)

    return Reward("ImageReward-v1.0", score)


def hps(file: str) -> Reward:
    """HPS v2 (arXiv 2306.09341): the mean cosine of picture and prompt in a CLIP ViT-H-14 tuned on preferences.

    ``file`` is a checkpoint of its release, such as ``HPS_v2.1_compressed.pt``; open_clip loads it.

    Raises:
        UserError: open_clip or the file is not there.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise UserError(f"hps: got '{file}', which is not a file; give HPS_v2.1_compressed.pt of the HPS v2 release")
    clip = from_open_clip("ViT-H-14", path)

    def score(pictures: Tensor, prompt: str) -> float:
        return cosine_similarity(clip.images(pictures), clip.texts([prompt])).mean().item()

    return Reward(path.stem, score)


def pillows(pictures: Float[Tensor, "n h w 3"]) -> list[Pillow.Image]:
    """Pictures with values in [0, 1] as Pillow has them."""
    return [Pillow.fromarray((255 * p.clamp(0, 1).numpy() + 0.5).astype(np.uint8)) for p in pictures]
