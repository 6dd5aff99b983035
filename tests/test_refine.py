"""The second stage through the whole command: it starts from the first, resumes bit for bit."""

from pathlib import Path

import pytest
import torch
import trimesh
from scenes import box

from dream3d import checkpoint, stages
from dream3d.compose import composed
from dream3d.export import export
from dream3d.mesh.clean import inspect
from dream3d.mesh.load import load_mesh

TINY = ["experiment=reconstruct", "prompt=box", "steps=30", "size=24", "field=voxel", "field.size=16",
        "render.samples=24", "mesh.resolution=24", "mesh.size=64", "mesh.faces=400", "mesh.formats=[glb]",
        "refine.steps=4", "refine.size=24", "refine.field.resolution=10",
        "refine.render.supersample=1", "threads=1"]  # fmt: skip


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    mesh, file = box(), tmp_path_factory.mktemp("box") / "box.ply"
    colours = (mesh.colours * 255).byte().numpy()
    trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), vertex_colors=colours).export(file)
    return file


@pytest.fixture(autouse=True)
def no_film(monkeypatch):
    monkeypatch.setattr(stages, "write_pictures", lambda *_: None)


def run(target: Path, out: Path, *words: str) -> dict:
    kind = [] if any(word.startswith("refine=") for word in words) else ["refine=tets"]
    words = (*TINY, *kind, f"prior.path={target}", f"out={out}", *words)
    stages.run(composed(words), words)
    return checkpoint.load(out / "checkpoint.pt")


@pytest.mark.parametrize("kind", ["tets", "flexicubes"])
def test_a_refined_run_writes_its_mesh_and_keeps_both_stages(kind, target, tmp_path):
    saved = run(target, tmp_path, f"refine={kind}")
    assert saved["step"] == 30 and saved["refine"]["step"] == 4
    assert len((tmp_path / "metrics-refine.jsonl").read_text().splitlines()) == 4
    assert inspect(load_mesh(tmp_path / "mesh.glb")).watertight
    (again,) = export([f"run={tmp_path}", f"out={tmp_path / 'again'}"])
    torch.testing.assert_close(load_mesh(again).vertices, load_mesh(tmp_path / "mesh.glb").vertices)


def test_a_stopped_refinement_goes_on_bit_for_bit(target, tmp_path, monkeypatch):
    whole = run(target, tmp_path / "whole", "checkpoint_every=2")
    out, save = tmp_path / "stopped", checkpoint.save

    def save_and_stop(path, content):
        save(path, content)
        if content.get("refine", {}).get("step") == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        run(target, out, "checkpoint_every=2")
    monkeypatch.setattr(checkpoint, "save", save)
    assert checkpoint.load(out / "checkpoint.pt")["refine"]["step"] == 2
    stages.run(composed([f"resume={out}"]), [f"resume={out}"])
    again = checkpoint.load(out / "checkpoint.pt")
    for name, tensor in whole["refine"]["state"]["fields"][0].items():
        assert torch.equal(tensor, again["refine"]["state"]["fields"][0][name]), name
