"""The judge: a small image classifier, for R-precision over the embedded prior's concepts.

It has another architecture than the prior, was trained on other cameras, lights and models
(scripts/train_judge.py; its card tells how well it does), and never takes part in training the prior.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from dream3d.types import Image

SIZE = 64
FOLDER = Path(__file__).parent / "judge"


class JudgeNet(nn.Module):
    """Strided convolutions on RGBA; heads for the concept and for the azimuth (cos, sin)."""

    def __init__(self, concepts: int, widths: tuple[int, ...] = (32, 64, 128, 224)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 4
        for width in widths:
            layers += [nn.Conv2d(before, width, 4, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.body = nn.Sequential(*layers)
        self.concept = nn.Linear(2 * before, concepts)
        self.azimuth = nn.Linear(4 * 4 * before, 2)

    def forward(self, x: Float[Tensor, "b 4 h w"]) -> tuple[Float[Tensor, "b k"], Float[Tensor, "b 2"]]:
        h = self.body(x)
        return self.concept(self.pooled(h)), self.azimuth(h.flatten(1))

    @staticmethod
    def pooled(h: Float[Tensor, "b c y x"]) -> Float[Tensor, "b f"]:
        """Mean and maximum of each channel of the body."""
        return torch.cat((h.mean(dim=(2, 3)), h.amax(dim=(2, 3))), dim=1)


@dataclass(frozen=True)
class Judge:
    """A trained judge and the names of its classes."""

    net: JudgeNet
    concepts: list[str]

    @torch.no_grad()
    def logits(self, image: Image) -> Float[Tensor, "b k"]:
        """One row a picture (any size; premultiplied RGBA), one column a concept."""
        return self.net(prepared(image))[0]

    @torch.no_grad()
    def features(self, image: Image) -> Float[Tensor, "b f"]:
        """Penultimate features, one row per image: for distances between sets of images."""
        return self.net.pooled(self.net.body(prepared(image)))

    @torch.no_grad()
    def azimuth(self, image: Image) -> Float[Tensor, " b"]:
        """The predicted azimuth of each image, in radians."""
        direction = self.net(prepared(image))[1]
        return torch.atan2(direction[:, 1], direction[:, 0])


def prepared(image: Image) -> Float[Tensor, "b 4 h w"]:
    """Premultiplied RGBA in [-1, 1] at the judge's size."""
    x = torch.cat((image.colour, image.alpha), dim=-1).permute(0, 3, 1, 2)
    return 2 * F.interpolate(x, size=SIZE, mode="area") - 1


def load(folder: Path = FOLDER) -> Judge:
    """The bundled judge, or one from a folder.

    Raises:
        OSError: files that cannot be read.
        RuntimeError: weights that are not those of a judge of these concepts.
    """
    concepts = json.loads((folder / "concepts.json").read_text())
    net = JudgeNet(len(concepts))
    weights = {k: v.float() for k, v in load_file(folder / "judge.safetensors").items()}
    # BatchNorm's count of batches is of no use after training, and not kept.
    counts = {k: v for k, v in net.state_dict().items() if k.endswith("num_batches_tracked")}
    net.load_state_dict({**counts, **weights})
    return Judge(net.eval(), concepts)
