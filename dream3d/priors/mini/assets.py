"""Reading the 3D models the embedded prior learns from, and what may be said of each."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.mesh.reading import load_mesh
from dream3d.types import Mesh


@dataclass(frozen=True)
class Asset:
    """One model: its mesh, where it may be tinted (1 a vertex), and its ``card`` for captions.

    The card has ``number, id, concept, nouns, style, color, recolor, symmetric, weight``.
    """

    mesh: Mesh
    tint: Float[Tensor, " v"]
    card: dict[str, Any]

    @property
    def number(self) -> int:
        return self.card["number"]


def packed_assets(folder: Path, wanted: dict[str, Any], at_most: int | None = None) -> dict[str, list[Asset]]:
    """The models of a packed dataset that make up each wanted concept (see scripts/mini_concepts.json).

    A concept's ``models`` are the numbers of the chosen ones among all that have its ``names``, the most
    typical first; with ``at_most`` the others follow until there are so many.
    """
    rows = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
    by_name = defaultdict(list)
    for row in rows:
        by_name[row["name"]].append(row)
    shards = {s: dict(np.load(folder / f"shard-{s:02d}.npz")) for s in sorted({r["shard"] for r in rows})}
    concepts: dict[str, list[Asset]] = {}
    number = 0
    for concept, spec in wanted["concepts"].items():
        named = [row for name in spec["names"] for row in by_name[name]]
        order = spec["models"] + [i for i in range(len(named)) if i not in spec["models"]]
        concepts[concept] = []
        for i in order[: at_most or len(spec["models"])]:
            row = named[i]
            concepts[concept].append(_packed_asset(shards[row["shard"]], row, concept, spec, number))
            number += 1
    return concepts


def _packed_asset(shard: dict[str, Any], row: dict[str, Any], concept: str, spec: dict[str, Any], number: int) -> Asset:
    r = row["row"]
    (v0, v1), (f0, f1) = shard["vertex_offset"][r : r + 2], shard["face_offset"][r : r + 2]
    vertices = torch.from_numpy(shard["vertices"][v0:v1] / 32767.5 - 1).float()
    colours = torch.from_numpy(shard["colors"][v0:v1] / 255.0).float()
    faces = torch.from_numpy(shard["faces"][f0:f1].astype(np.int64))
    card = {
        "number": number,
        "id": row["id"],
        "concept": concept,
        "nouns": [concept, *spec.get("aliases", [])],
        "style": row["style"],
        "color": row["color"],
        "recolor": row["recolor"],
        "symmetric": row["symmetric"],
        "weight": spec.get("weight", 1),
        **{key: row[key] for key in ("source", "author", "license")},
    }
    return Asset(Mesh(vertices, faces, colours), torch.from_numpy(shard["tint"][v0:v1]).float(), card)


def folder_assets(folder: Path) -> dict[str, list[Asset]]:
    """Every GLB, OBJ and PLY file of a folder, fitted into the unit ball; named by its file name.

    ``chair.glb`` and ``chair-2.glb`` are two models of the concept "chair".
    Raises FileNotFoundError when there is none.
    """
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in {".glb", ".obj", ".ply"})
    if not files:
        raise FileNotFoundError(f"no .glb, .obj or .ply file in {folder}; give a folder of 3D models")
    concepts: dict[str, list[Asset]] = defaultdict(list)
    for number, file in enumerate(files):
        concept = file.stem.rstrip("0123456789-_ ").replace("_", " ").lower()
        mesh = load_mesh(file)
        card = {"number": number, "id": file.stem, "concept": concept, "nouns": [concept], "style": None,
                "color": None, "recolor": False, "symmetric": False, "weight": 1}  # fmt: skip
        concepts[concept].append(Asset(mesh, torch.zeros(len(mesh.vertices)), card))
    return dict(concepts)
