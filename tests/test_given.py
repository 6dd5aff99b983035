"""``mesh=path.glb`` through the whole command: restyled, stopped and continued, refused."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from scenes import sphere
from small_run import differences, rebuild, stopped_after, without_pictures

from dream3d import checkpoint
from dream3d.__main__ import command
from dream3d.compose import composed, exactly, first_job, renamed
from dream3d.given import carry, given_mesh, outwards
from dream3d.mesh.clean import inspect
from dream3d.mesh.load import load_mesh
from dream3d.mesh.paint import coloured_points
from dream3d.stages import built

TINY = ("refine.steps=4", "refine.size=24", "refine.field.resolution=10", "refine.render.supersample=1",
        "checkpoint_every=2", "field=voxel", "field.size=16")  # fmt: skip


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    without_pictures(monkeypatch)


def words(folder: Path, out: str, *more: str) -> list[str]:
    """A restyling of a ball after the pictures of a box."""
    left_out = ("field.", "checkpoint_every")
    base = [word for word in rebuild(folder) if not word.startswith(left_out)]
    return [*base, *TINY, f"mesh={ball_file(folder)}", f"out={folder / out}", *more]


def ball_file(folder: Path) -> Path:
    mesh, file = sphere(), folder / "a ball.glb"
    colours = (mesh.colours * 255).byte().numpy()
    trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), vertex_colors=colours).export(file)
    return file


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished restyling."""
    here = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        assert command(words(here, "run")) == 0
    return here / "run"


def test_a_given_mesh_becomes_a_textured_mesh_without_a_coarse_stage(whole):
    assert not (whole / "metrics.jsonl").exists()
    assert len((whole / "metrics-refine.jsonl").read_text().splitlines()) == 4
    made = load_mesh(whole / "mesh.glb")
    assert inspect(made).watertight
    assert made.vertices.norm(dim=1).std() < 0.05  # four steps leave it a ball


def test_colours_are_carried_over(tmp_path):
    setup, _ = built(composed(words(tmp_path, "run", "field.size=32")))
    mesh = given_mesh(composed(["prompt=a", f"mesh={ball_file(tmp_path)}"]))
    assert carry(setup, mesh) < 0.06
    x, wanted, _ = coloured_points(mesh, 500, torch.Generator().manual_seed(0))
    assert (setup.fields[0].surface(x).colour - wanted).square().mean().sqrt() < 0.06


def test_a_stopped_restyling_goes_on_bit_for_bit(whole, tmp_path, monkeypatch):
    assert stopped_after(monkeypatch, words(tmp_path, "stopped"), 2) == 130
    assert checkpoint.load(tmp_path / "stopped/checkpoint.pt")["refine"]["step"] == 2
    assert command([f"resume={tmp_path / 'stopped'}"]) == 0
    both = [checkpoint.load(folder / "checkpoint.pt") for folder in (whole, tmp_path / "stopped")]
    assert differences(*both) == []


def test_it_may_be_said_in_either_way_and_with_any_refinement():
    assert composed(["prompt=a", "mesh=a ball, big.glb"]).mesh_file == "a ball, big.glb"
    assert composed(["prompt=a", "mesh_file=a.glb"]).refine.steps > 0
    assert composed(["prompt=a", "mesh=default"]).mesh_file is None
    assert composed(["prompt=a", "mesh=a.glb", "mesh.faces=500", "refine=none"]).refine.steps == 0


def test_several_meshes_make_several_runs():
    words = [renamed(word) for word in ("-m", "prompt=a", "mesh=a.glb,b.glb")]
    assert exactly(first_job(words)).mesh_file == "a.glb"


def test_faces_are_turned_outwards():
    mesh = sphere()
    assert torch.equal(outwards(mesh), mesh.faces)
    turned = type(mesh)(mesh.vertices, mesh.faces.flip(1))
    assert torch.equal(outwards(turned), mesh.faces)


WRONG = {
    "missing": ("nothing.glb", r"mesh: got 'nothing\.glb', but there is no such file"),
    "no mesh by its name": (
        "notes.txt",
        r"mesh: got 'notes\.txt', expected 'default' or a file ending in \.glb",
    ),
    "garbage": ("garbage.glb", r"garbage\.glb: got a file that cannot be read.*expected a whole GLB"),
    "empty file": ("empty.glb", r"empty\.glb: got "),
    "points": ("points.ply", r"points\.ply: got no triangles"),
    "a sheet": ("sheet.ply", r"sheet\.ply, 2 triangles that enclose nothing.*thickness"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    here = tmp_path_factory.mktemp("meshes")
    (here / "garbage.glb").write_bytes(b"\x01garbage" * 9)
    (here / "empty.glb").touch()
    (here / "notes.txt").write_text("v 0 0 0")
    trimesh.PointCloud(np.eye(3)).export(here / "points.ply")
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]]).export(here / "sheet.ply")
    return here


@pytest.mark.parametrize("name", WRONG)
def test_a_bad_mesh_is_one_line(name, place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    file, expected = WRONG[name]
    assert command([*rebuild(place), f"mesh={file}", "out=run"]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and re.search(expected, captured.err)
    assert not (place / "run").exists()


def test_a_mesh_with_nothing_to_do_is_an_error(tmp_path, capsys):
    assert command([*rebuild(tmp_path), f"mesh={ball_file(tmp_path)}", "refine=none"]) == 2
    assert "but refine=none; say refine=tets" in capsys.readouterr().err


def test_a_resumed_restyling_has_no_more_coarse_steps(whole, capsys):
    assert command([f"resume={whole}", "steps=900"]) == 2
    assert "no coarse stage; leave steps= out" in capsys.readouterr().err


def test_the_mesh_is_inside_the_ball(tmp_path):
    mesh = given_mesh(composed(["prompt=a", f"mesh={ball_file(tmp_path)}"]))
    assert mesh is not None and 0.9 < mesh.vertices.norm(dim=1).max() < 0.95
    assert given_mesh(composed(["prompt=a"])) is None
