"""Text encoding and network call of the embedded prior: from a prompt to words, a shape, and its view from a camera."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.priors import text
from dream3d.priors.mini import words
from dream3d.priors.mini.colours import COLOURS
from dream3d.priors.mini.latents import load_latents
from dream3d.priors.mini.painting import AMBIENT, LIGHT, Painter
from dream3d.priors.mini.words import Concepts, Shape
from dream3d.priors.parts import Component
from dream3d.types import Mesh

BASE = 32  # of the two digits that number a shape: exact in every dtype


@dataclass(frozen=True)
class MiniFamily:
    """The embedded prior: as Stable Diffusion 1, plus the camera (for the null prompt too) and the view of a shape.

    A row behind the tokens says which shape is painted (``Painter.number``), so one tensor a prompt still suffices.
    """

    parts: Mapping[str, Component]
    concepts: Concepts = field(default_factory=dict)
    painter: Painter | None = None
    shapes: Mapping[str, Shape] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        return self.parts["tokenizer"].model_max_length + 1, self.parts["text_encoder"].config.hidden_size

    def embed(self, prompts: Sequence[str]) -> Float[Tensor, "b l c"]:
        meant = [words.meaning(prompt, self.concepts) for prompt in prompts]
        captions = [m.caption if m else words.normalised(p) for m, p in zip(meant, prompts, strict=True)]
        hidden = text.clip_last(self.parts["text_encoder"], self.parts["tokenizer"], captions)
        code = torch.zeros(len(prompts), 1, hidden.shape[-1]).to(hidden)
        for row, number in enumerate(map(self.number, meant)):
            code[row, 0, 0], code[row, 0, 1] = number // BASE, number % BASE
        return torch.cat((hidden, code), dim=1)

    def number(self, meant: words.Meaning | None) -> int:
        """The painter's number for what a prompt means; 0: nothing is painted."""
        if self.painter is None or meant is None or meant.concept not in self.shapes:
            return 0
        shape = self.shapes[meant.concept]
        if meant.colour is None or not shape.takes_colour:
            return self.painter.number(shape.latent, None)
        red, green, blue = COLOURS[meant.colour]
        return self.painter.number(shape.latent, (red / 255, green / 255, blue / 255))

    def call(
        self, network: Component, x: Tensor, t: Tensor, embedding: Tensor, camera: Tensor | None
    ) -> Float[Tensor, "b c h w"]:
        hidden, code = embedding[:, :-1], embedding[:, -1].float()
        painted = None
        if self.painter is not None and camera is not None and not x.is_meta:  # meta: a memory estimate
            numbers = (BASE * code[:, 0] + code[:, 1]).round().long().tolist()
            painted = self.painter.paint(numbers, camera, x.shape[-1]).to(x)
        return network(x, t, hidden, class_labels=camera, painted=painted).sample

    def shape_of(self, prompt: str) -> Mesh | None:
        """The mesh of what a prompt means, in its colour; None where nothing is painted."""
        number = self.number(words.meaning(prompt, self.concepts))
        return self.painter.mesh(number) if self.painter is not None and number else None

    @property
    def light(self) -> list[float] | None:
        """(x, y, z, ambient) in the pictures that a prior with shapes was trained on."""
        return [*LIGHT.tolist(), AMBIENT] if self.shapes else None

    @property
    def takes_colour(self) -> list[str] | None:
        """The concepts that can be had in a named colour; None where that is not known."""
        return [name for name, shape in self.shapes.items() if shape.takes_colour] if self.shapes else None

    def with_shapes(self, folder: Path, painted: bool) -> "MiniFamily":
        """With what the folder knows by name, and a painter of its shapes where they are to be ``painted``."""
        latents = load_latents(folder) if painted else None
        return replace(
            self,
            concepts=words.concepts_of(folder) or {},
            painter=None if latents is None else Painter(latents),
            shapes=words.shapes_of(folder),
        )
