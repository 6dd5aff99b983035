"""What a diffusers or transformers component is to this package."""

from typing import TYPE_CHECKING, Any, Protocol

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of the RGB in [0, 1] that CLIP's image encoders were trained on: pixels go in as ``(rgb - mean) / std``."""

if TYPE_CHECKING:

    class Component(Protocol):
        """A network, VAE, text encoder, tokenizer or scheduler of a diffusers folder, found by name at run time.

        These classes share no typed base and differ in attributes from family to family: what is read of one is
        named where it is read, and ``config`` says what the folder's author set.
        """

        def __call__(self, *inputs: object, **options: object) -> Any: ...
        def __getattr__(self, name: str, /) -> Any: ...

else:
    Component = object  # nothing that a check at run time could ask of all of them


def by_name(owner: object, name: str) -> "Component | None":
    """What is known by its name alone: the class that model_index.json says, a method that some families have.
    None where the owner has nothing of that name."""
    return getattr(owner, name, None)
