"""Latents as meshes: what is painted beside a model, from the very same cameras."""

import hashlib
from collections.abc import Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from views import Meshes

from dream3d.priors.mini.latents import LATENTS, PAINTED, Latents, load_latents

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def surface_arrays(latents: Latents, name: str) -> Arrays:
    """Vertices, albedo, ratio and faces of a latent's surface; no faces where it has none.

    ``ratio`` is that of ``Model.ratio`` by the rule of ``PaintedMesh.recoloured``.
    """
    torch.set_num_threads(1)
    try:
        found = latents.surface(name)
    except ValueError:
        return np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), np.zeros((0, 3), np.int64)
    ratio = torch.where(found.paint > PAINTED / 2, 2 * found.paint, -1.0)
    return found.vertices.numpy(), found.albedo.numpy(), ratio.numpy(), found.faces.numpy()


def make_twins(prior: Path, names: Sequence[str], workers: int) -> Meshes:
    """The surfaces of a prior's latents, in the order of ``names``: about a second each and core."""
    latents = load_latents(prior)
    assert latents is not None
    with get_context("fork").Pool(max(1, min(workers, len(names)))) as pool:
        parts = pool.map(partial(surface_arrays, latents), names, chunksize=4)
    for name, part in zip(names, parts, strict=True):
        if not len(part[3]):
            print(f"warning: {name}: its latent has no surface, so it is never painted", flush=True)
    return Meshes.joined(*zip(*parts, strict=True))


def kept_twins(prior: Path, names: Sequence[str], workers: int, file: Path) -> Meshes:
    """``make_twins``, read from ``file`` where that was made of the same latents."""
    mark = hashlib.sha1((prior / LATENTS).read_bytes() + "\n".join(names).encode()).hexdigest()
    fields = tuple(Meshes.__dataclass_fields__)
    if file.is_file():
        with np.load(file) as z:
            if str(z["mark"]) == mark:
                return Meshes(*(z[name] for name in fields))
    made = make_twins(prior, names, workers)
    part = file.with_suffix(".part")
    with part.open("wb") as out:
        np.savez(out, mark=mark, **{name: getattr(made, name) for name in fields})
    part.rename(file)
    return made
