"""Latents of a library as files of a prior's folder: what ``dream3d.priors.mini`` reads of shapes and words."""

import json
from pathlib import Path

import numpy as np
import torch
from autodecoder import Sizes, load_decoder, make_decoder, make_latents
from coarse import volumes_of
from models import Library
from points import make_points

from dream3d.priors.mini.latents import DECODER, LATENTS, TriplaneDecoder, save_latents
from dream3d.priors.mini.volumes import VOLUMES, save_volumes


def make_shapes(library: Library, prior: Path, work: Path, sizes: Sizes, workers: int, device: torch.device) -> None:
    """Points, decoder, latents and packed files of a library's typical models; what is there already is kept."""
    models = library.typical
    make_points(models, work / "points", workers)
    files = [work / "points" / f"{model.key}.npz" for model in models]
    decoder_file = work / "decoder.pt"
    if not decoder_file.is_file():
        make_decoder(files, decoder_file, sizes, device)
    make_latents(files, decoder_file, work / "latents", sizes, device)
    latents = {model.name: torch.from_numpy(np.load(work / "latents" / f"{model.key}.npy")) for model in models}
    decoder, _ = load_decoder(decoder_file, sizes, torch.device("cpu"))
    pack(library, latents, decoder, prior)


def pack(library: Library, latents: dict[str, torch.Tensor], decoder: TriplaneDecoder, prior: Path) -> None:
    """latents.npz (7 bits), decoder.npz, volumes.npz, shapes.json (noun: latent, takes a colour), concepts.json."""
    prior.mkdir(parents=True, exist_ok=True)
    save_latents(latents, prior / LATENTS)
    np.savez(prior / DECODER, **{name: value.cpu().numpy() for name, value in decoder.state_dict().items()})
    shapes = {
        noun: [concept.models[0], library.models[concept.models[0]].takes_colour]
        for noun, concept in library.concepts.items()
        if concept.models[0] in latents
    }
    save_volumes(volumes_of(library), prior / VOLUMES)
    names = {noun: list(concept.aliases) for noun, concept in library.concepts.items()}
    for file, content in (("shapes.json", shapes), ("concepts.json", names)):
        (prior / file).write_text(json.dumps(content, indent=0, ensure_ascii=False) + "\n")
