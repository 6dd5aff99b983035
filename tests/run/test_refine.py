"""The second stage through the whole command: it starts from the first, resumes bit for bit."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
import trimesh
from scenes import box
from small_run import differences

from dream3d.cli.export import export
from dream3d.cli.overrides import composed
from dream3d.errors import UserError
from dream3d.mesh.clean import inspect
from dream3d.mesh.reading import load_mesh
from dream3d.run import checkpoint, stages
from dream3d.run.build import build_prior
from dream3d.run.refine import guided_at_least

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
    monkeypatch.setattr("dream3d.run.finish.write_pictures", lambda *_: None)


def run(target: Path, out: Path, *words: str) -> dict:
    kind = [] if any(word.startswith("refine=") for word in words) else ["refine=tets"]
    words = (*TINY, *kind, f"prior.path={target}", f"out={out}", *words)
    stages.run(composed(words), words)
    return checkpoint.load(out / "checkpoint.pt")


@pytest.mark.parametrize("kind", ["tets", "flexicubes", "pbr"])
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


def test_a_stage_that_has_not_begun_may_change_and_one_that_has_may_be_longer(target, tmp_path):
    before = run(target, tmp_path, "refine=flexicubes", "refine.steps=0")
    words = [f"resume={tmp_path}", "refine=tets", "refine.steps=2", "refine.size=24", "refine.field.resolution=10"]
    stages.run(composed(words), words)
    words = [words[0], "refine.steps=3"]
    stages.run(composed(words), words)
    after = checkpoint.load(tmp_path / "checkpoint.pt")
    assert after["refine"]["step"] == 3 and differences(before["state"], after["state"]) == []
    for wrong, said in (
        ("refine.steps=2", "the run has completed 3"),
        ("refine.size=32", "past the beginning of refine"),
    ):
        with pytest.raises(UserError, match=said):
            stages.run(composed([words[0], wrong]), [words[0], wrong])
    words = [words[0], "steps=31"]
    stages.run(composed(words), words)  # a longer coarse stage: the mesh is refined anew from what it gives
    longer = checkpoint.load(tmp_path / "checkpoint.pt")
    assert longer["refine"]["step"] == 3 and differences(after["refine"], longer["refine"]) != []


def test_a_lit_run_writes_its_material(target, tmp_path):
    run(target, tmp_path, "refine=pbr", "refine.field.material.roughness=0.25")
    tree = trimesh.load(tmp_path / "mesh.glb", force="mesh").visual.material
    texels = np.asarray(tree.metallicRoughnessTexture.convert("RGB"))[..., 1:] / 255
    assert abs(texels[..., 0].mean() - 0.25) < 0.1 and texels[..., 1].mean() < 0.2


def test_a_later_stage_is_guided_no_less():
    def loss(scale):
        return scale

    assert guided_at_least(partial(loss, scale=1.5), 4.0)() == 4.0
    assert guided_at_least(partial(loss, scale=100.0), 4.0)() == 100.0
    assert guided_at_least(partial(loss, scale=1.5), None)() == 1.5
    assert guided_at_least(loss, 4.0) is loss  # one without a scale


TEXTURE = ["refine@texture=texture", "texture.steps=3", "texture.size=24", "texture.render.supersample=1"]


def test_the_third_stage_colours_the_second_ones_mesh_and_goes_on_bit_for_bit(target, tmp_path, monkeypatch):
    whole = run(target, tmp_path / "whole", *TEXTURE, "checkpoint_every=2")
    assert {name: whole[name]["step"] for name in ("refine", "texture")} == {"refine": 4, "texture": 3}
    shape = [whole[name]["state"]["fields"][0] for name in ("refine", "texture")]
    assert not any("sdf" in name for name in shape[1]) and len(shape[1]["shape.faces"]) > 20
    (again,) = export([f"run={tmp_path / 'whole'}", f"out={tmp_path / 'again'}"])
    made = load_mesh(again)
    assert len(made.faces) == len(shape[1]["shape.faces"]) and inspect(made).watertight

    save = checkpoint.save

    def save_and_stop(path, content):
        save(path, content)
        if content.get("texture", {}).get("step") == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        run(target, tmp_path / "stopped", *TEXTURE, "checkpoint_every=2")
    monkeypatch.setattr(checkpoint, "save", save)
    stages.run(composed([f"resume={tmp_path / 'stopped'}"]), [f"resume={tmp_path / 'stopped'}"])
    assert differences(whole, checkpoint.load(tmp_path / "stopped/checkpoint.pt")) == []


SHORT = ["steps=2", "batch_size=1", "size=16", "render.samples=8", "render.occupancy=4", "field.log2_size=8",
         "field.levels=2", "field.base=4", "field.finest=8", "mesh.resolution=16", "mesh.size=32",
         "mesh.isovalue=1.0", "mesh.share=1.0", "mesh.faces=200", "mesh.formats=[glb]", "refine.steps=2",
         "refine.size=16", "refine.field.resolution=8", "refine.field.levels=[4]", "device=cpu",
         "threads=1"]  # fmt: skip


@pytest.fixture(scope="module")
def stable_diffusion(tmp_path_factory):
    torch.manual_seed(0)
    return tiny.saved(tiny.sd(), tmp_path_factory.mktemp("tiny-sd"))


def test_magic3d_runs_both_stages_each_with_its_prior(stable_diffusion, tmp_path, monkeypatch):
    loaded = []

    def noted(config, device):
        loaded.append(config.prior.places)
        return build_prior(config, device)

    words = ["experiment=magic3d", "prompt=a corgi", f"prior.path={stable_diffusion}",
             f"refine.prior.path={stable_diffusion}", f"out={tmp_path}", *SHORT]  # fmt: skip
    stages.run(composed(words), words, prior_of=noted)
    assert ["DeepFloyd" in places[0] for places in loaded] == [True, False]
    saved = checkpoint.load(tmp_path / "checkpoint.pt")
    assert saved["refine"]["step"] == 2 and "texture" not in saved and (tmp_path / "mesh.glb").exists()


def test_prolificdreamer_runs_all_three(stable_diffusion, tmp_path):
    words = ["experiment=prolificdreamer", "prompt=a corgi", f"prior.path={stable_diffusion}",
             "texture.steps=2", "texture.size=16", f"out={tmp_path}", *SHORT]  # fmt: skip
    stages.run(composed(words), words)
    saved = checkpoint.load(tmp_path / "checkpoint.pt")
    assert saved["refine"]["step"] == saved["texture"]["step"] == 2
    coarse, shape, texture = (s["state"] for s in (saved, saved["refine"], saved["texture"]))
    # Shape: SDS, without the student, and colours rest. Texture: VSD again, whose student learns on.
    assert shape["student"] is None and texture["student"]["step"] > coarse["student"]["step"]
    before, after = coarse["fields"][0], shape["fields"][0]
    assert all(torch.equal(value, after[f"appearance.{name}"]) for name, value in before.items())
    assert any(not torch.equal(value, texture["fields"][0][f"appearance.{name}"]) for name, value in before.items())
