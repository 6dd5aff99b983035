"""Drops words that contradict a view from that view's prompt (D-SDS, arXiv 2303.15413, Sec. 4.2).

"A smiling dog, back view" asks for a face on the back and so promotes the Janus problem. A masked language model
estimates how compatible each word is with each view.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AutoModelForMaskedLM, AutoTokenizer

from dream3d.errors import UserError
from dream3d.priors.loading.components import quiet
from dream3d.priors.parts import Component

DEFAULT = "google-bert/bert-base-uncased"
VIEWS = ("front", "side", "back", "overhead")


@dataclass(frozen=True)
class Debias:
    """Called with a prompt, gives one for each of ``VIEWS``; the model is loaded for that call alone.

    With p(v | u) the model's probability of ``v`` in "This image is depicting a [MASK] view of u",
    normalised over the views, a word w of the prompt u is dropped from view v where

        2 p(v | u) / (p(v | u) + p(v | u without w)) < threshold,

    the exponential of their pointwise mutual information as the authors' code has it.

    Attributes:
        path: a folder or hub id of a masked language model (the authors': BERT).
        threshold: 0 keeps every word.
        offline: no network access.
    """

    path: str = DEFAULT
    threshold: float = 0.95
    offline: bool = False

    @torch.no_grad()
    def __call__(self, prompt: str) -> list[str]:
        """Raises UserError where the model is missing, or its vocabulary has no word for a view."""
        tokenizer, model = self.loaded()
        words = prompt.split()
        without = [" ".join(words[:i] + words[i + 1 :]) for i in range(len(words))]
        p = self.views_of(tokenizer, model, [prompt, *without])
        kept = 2 * p[0] / (p[0] + p[1:]) >= self.threshold  # word, view
        told = [" ".join(w for w, k in zip(words, kept[:, v], strict=True) if k) for v in range(len(VIEWS))]
        return [one or prompt for one in told]

    def views_of(self, tokenizer: Component, model: Component, prompts: Sequence[str]) -> Float[Tensor, "b 4"]:
        """p(view | prompt) of each prompt."""
        ids = tokenizer.convert_tokens_to_ids(list(VIEWS))
        if tokenizer.mask_token_id is None or tokenizer.unk_token_id in ids:
            raise UserError(
                f"prompts.debias.path: got '{self.path}', whose vocabulary lacks [MASK] or one of "
                f"{', '.join(VIEWS)}; expected a masked language model such as {DEFAULT}"
            )
        asked = [f"This image is depicting a {tokenizer.mask_token} view of {prompt}" for prompt in prompts]
        batch = tokenizer(asked, padding=True, truncation=True, return_tensors="pt")
        logits = model(**batch).logits[batch.input_ids == tokenizer.mask_token_id]
        if len(logits) != len(prompts):
            raise UserError(f"prompt: got one with {tokenizer.mask_token} in it; leave that word out")
        return logits[:, ids].softmax(dim=-1)

    def loaded(self) -> tuple[Component, Component]:
        """(tokenizer, model) from this machine, else from the hub. Raises UserError."""
        place, reason = str(Path(self.path).expanduser()), ""
        local = Path(place).is_dir()
        for here in [True] if local or self.offline else [True, False]:
            try:
                with quiet():
                    tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=here)
                    model = AutoModelForMaskedLM.from_pretrained(place, local_files_only=here)
                return tokenizer, model.eval()
            except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
                reason = " ".join(str(error).split())[:150]
        raise UserError(
            f"prompts.debias.path: got '{self.path}', which cannot be loaded ({reason}); expected a folder "
            "or hub id of a masked language model; once with a network: hf download "
            f"{DEFAULT if local else self.path}; or use prompts.debias=null"
        )
