"""Scores of a result's images: prompt fidelity, the Janus problem, and diversity over seeds."""

from collections.abc import Mapping, Sequence
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.compare.clip import Clip
from dream3d.compare.rewards import Reward
from dream3d.compare.values import Missing, Values, missing
from dream3d.metrics.colour_name import colour_match
from dream3d.metrics.diversity import diversity
from dream3d.metrics.frechet import frechet, kernel_distance
from dream3d.metrics.janus import janus, pixel_features, repeats
from dream3d.metrics.judge import Judge
from dream3d.metrics.r_precision import cosine_similarity, r_precision, rank
from dream3d.priors.loading.resolve import EMBEDDED
from dream3d.priors.mini.colours import COLOURS
from dream3d.priors.mini.words import concepts_of, named, normalised
from dream3d.types import Image

GREY = 0.5
SIDES, DOZEN = slice(None, None, 3), slice(None, None, 2)
"""Of the 24 views."""


def over_grey(views: Image) -> Float[Tensor, "n h w 3"]:
    """Grey, against which both light and dark objects stand out."""
    return views.over(torch.full((1, 1, 1, 3), GREY))


def judged(views: Image, prompt: str, judge: Judge | str) -> Values:
    """R-precision and mean rank of the prompt's concept among the judge's, over the eight views."""
    names = ("judge_precision", "judge_rank")
    if isinstance(judge, str):
        return missing(names, judge)
    concept = concept_of(prompt, judge.concepts)
    if concept is None:
        return missing(names, "the prompt contains no concept of the judge")
    logits = judge.logits(Image(views.colour[SIDES], views.alpha[SIDES]))
    true = torch.full((len(logits),), judge.concepts.index(concept))
    return {"judge_precision": r_precision(logits, true), "judge_rank": rank(logits, true).mean().item()}


def concept_of(prompt: str, concepts: Sequence[str]) -> str | None:
    """The first concept in the prompt, under any of the names that the embedded prior knows for it.

    >>> concept_of("a red fire truck", ["truck", "fire truck", "red"])
    'red'
    >>> concept_of("the burger on a chair", ["chair", "hamburger"])
    'hamburger'
    """
    names = other_names()
    found = named(prompt, {concept: names.get(concept, []) for concept in concepts})
    text = f" {normalised(prompt)} "
    first = min(found, key=lambda pair: text.find(f" {pair[0]} "), default=None)
    return None if first is None else first[1]


@cache
def other_names() -> dict[str, list[str]]:
    """Concept -> its synonyms in the embedded prior's vocabulary."""
    return concepts_of(EMBEDDED) or {}


def colour_named(views: Image, prompt: str) -> Values:
    """Fraction of the object's pixels, over the eight views, in the one colour that the prompt names."""
    words = normalised(prompt)
    for phrase, _ in named(prompt, other_names()):
        words = words.replace(phrase, "")  # "orange" the fruit is not a colour
    said = [word for word in words.split() if word in COLOURS]
    if len(said) != 1:
        return missing(["colour_match"], "the prompt names several colours" if said else "the prompt names no colour")
    palette = torch.tensor(list(COLOURS.values())) / 255
    sides = Image(views.colour[SIDES], views.alpha[SIDES])
    return {"colour_match": colour_match(sides, palette, list(COLOURS).index(said[0]))}


def clip_scores(views: Image, prompt: str, captions: Sequence[str], clip: Clip | None) -> Values:
    """CLIP score (``100 max(cos, 0)``, arXiv 2104.08718 on torchmetrics' scale) and R-precision of the prompt among
    the captions, over the eight views."""
    names = ("clip_score", "clip_precision")
    if clip is None:
        return missing(names, "no CLIP was given (clip=folder); none is downloaded")
    similarity = cosine_similarity(clip.images(over_grey(views)[SIDES]), clip.texts(list(captions)))
    own = captions.index(prompt)
    found: Values = {"clip_score": 100 * similarity[:, own].clamp(min=0).mean().item()}
    if len(captions) < 2:
        return {**found, "clip_precision": Missing("a single prompt has no distractors")}
    true = torch.full((len(similarity),), own)
    return {**found, "clip_precision": r_precision(similarity, true)}


def janus_score(views: Image) -> Values:
    """The Janus score from pixels, 12 views; without a reference object, natural symmetry counts as well."""
    pictures = over_grey(views)[DOZEN]
    found = repeats(pixel_features(pictures, 16), pixel_features(pictures.flip(2), 16))
    return {"janus": janus(found, torch.zeros_like(found))}


def rewarded(views: Image, prompt: str, rewards: Mapping[str, Reward | None]) -> Values:
    """Learned preference scores over the eight views on grey, by the name of the reward's setting."""
    pictures = over_grey(views)[SIDES]
    return {
        name: Missing(f"no weights were given ({name}=); none are downloaded")
        if reward is None
        else reward.score(pictures, prompt)
        for name, reward in rewards.items()
    }


def seed_diversity(views: Mapping[int, Image], clip: Clip | None = None) -> Values:
    """Mean over all pairs of seeds, eight views: root mean square difference of pixels (16 x 16), and distance of
    CLIP's unit embeddings (0 to 2)."""
    names = ("diversity", "clip_diversity")
    if len(views) < 2:
        return missing(names, "a single seed")
    features = torch.stack([pixel_features(over_grey(v)[SIDES], 16).flatten() for v in views.values()])
    found: Values = {"diversity": diversity(features / features.shape[1] ** 0.5)}
    if clip is None:
        return found | missing(["clip_diversity"], "no CLIP was given (clip=folder); none is downloaded")
    embedded = [torch.nn.functional.normalize(clip.images(over_grey(v)[SIDES]), dim=1) for v in views.values()]
    flat = torch.stack([e.flatten() / len(e) ** 0.5 for e in embedded])
    return {**found, "clip_diversity": diversity(flat)}


def distances(renders: Sequence[Image], pictures: Image | None, judge: Judge | str, clip: Clip | None) -> Values:
    """Distances of all renders of a variant (eight views each) to given images: Frechet and kernel distance of the
    judge's features, Frechet distance of CLIP's."""
    names = ("judge_fid", "judge_kid", "clip_fid")
    if pictures is None:
        return missing(names, "no images were given to compare with (pictures=folder)")
    sides = Image(torch.cat([r.colour[SIDES] for r in renders]), torch.cat([r.alpha[SIDES] for r in renders]))
    found = missing(names, "no CLIP was given (clip=folder); none is downloaded")
    if isinstance(judge, str):
        found |= missing(names[:2], judge)
    else:
        ours, theirs = judge.features(sides), judge.features(pictures)
        found |= {"judge_fid": frechet(ours, theirs), "judge_kid": kernel_distance(ours, theirs)}
    if clip is not None:
        found["clip_fid"] = frechet(*(clip.images(over_grey(image)) for image in (sides, pictures)))
    return found
