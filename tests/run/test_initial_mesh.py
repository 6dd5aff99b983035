"""``mesh=path.glb`` through the whole command: restyled, stopped and continued, refused."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from scenes import box, sphere
from small_run import differences, rebuild, stopped_after, without_pictures
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from dream3d.cli.export import export
from dream3d.cli.main import command
from dream3d.cli.overrides import composed, exactly, jobs, renamed
from dream3d.mesh.clean import inspect
from dream3d.mesh.paint import coloured_points
from dream3d.mesh.reading import load_mesh, load_textured
from dream3d.run import checkpoint
from dream3d.run.initial_mesh import carry, given_mesh, outwards
from dream3d.run.stages import built

TINY = ("refine=tets", "refine.steps=4", "refine.size=24", "refine.field.resolution=10",
        "refine.render.supersample=1", "checkpoint_every=2", "field=voxel", "field.size=16")  # fmt: skip


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


def painted_box(folder: Path) -> Path:
    """A box far from the origin with uv of its own, one square a side, and a texture of two colours."""
    mesh = box()
    square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    corner = torch.tensor([[i % 3 / 3, i // 3 / 3] for i in range(6)])
    uv = (corner[:, None] + 0.03 + square * 0.27).view(-1, 2)
    pixels = np.full((32, 32, 3), (200, 40, 40), np.uint8)
    pixels[:16] = (40, 40, 200)
    material = PBRMaterial(baseColorTexture=Image.fromarray(pixels))
    shape = trimesh.Trimesh(mesh.vertices.numpy() * 30 + [100, 5, -20], mesh.faces.numpy(), process=False)
    shape.visual = TextureVisuals(uv=uv.numpy(), material=material)
    shape.export(folder / "a box.glb")
    return folder / "a box.glb"


def retextured(folder: Path, out: str, file: Path, *more: str) -> list[str]:
    """A run that keeps the triangles of ``file``."""
    left_out = ("mesh=", "refine.field.resolution")
    base = [word for word in words(folder, out) if not word.startswith(left_out)]
    return [*base, f"mesh={file}", "refine=texture", *more]


def test_a_texture_alone_keeps_triangles_place_and_uv(tmp_path):
    file = painted_box(tmp_path)
    assert command(retextured(tmp_path, "run", file)) == 0
    before, after = (trimesh.load(f, force="mesh", process=False) for f in (file, tmp_path / "run/mesh.glb"))
    np.testing.assert_allclose(after.triangles, before.triangles, atol=1e-4)
    uv = [mesh.visual.uv[mesh.faces] for mesh in (after, before)]
    np.testing.assert_allclose(*uv, atol=1e-6)
    assert command([f"resume={tmp_path / 'run'}"]) == 0  # nothing is left to do: the same files again
    file.unlink()
    (again,) = export([f"run={tmp_path / 'run'}", f"out={tmp_path / 'again'}"])
    assert again.read_bytes() == (tmp_path / "run/mesh.glb").read_bytes()


def test_a_mesh_may_have_moved_before_the_run_goes_on(tmp_path, capsys, monkeypatch):
    file = painted_box(tmp_path)
    assert stopped_after(monkeypatch, retextured(tmp_path, "run", file), 2) == 130
    file.rename(tmp_path / "b.glb")
    assert command([f"resume={tmp_path / 'run'}"]) == 2
    assert command([f"resume={tmp_path / 'run'}", f"mesh={tmp_path / 'b.glb'}"]) == 0
    capsys.readouterr()


def test_colours_are_trained_where_the_texture_alone_is(tmp_path):
    """Towards the pictures of a box whose sides have other colours; the shape has no way to answer."""
    file = painted_box(tmp_path)
    assert command(retextured(tmp_path, "run", file, "refine.steps=30")) == 0
    got, was = load_textured(tmp_path / "run/mesh.glb"), load_textured(file)
    assert got.texture.shape != was.texture.shape
    assert float((got.texture.mean((0, 1)) - was.texture.mean((0, 1))).abs().max()) > 0.05


def test_a_sheet_can_have_a_texture(place, tmp_path):
    assert command(retextured(tmp_path, "run", place / "sheet.ply")) == 0
    made = trimesh.load(tmp_path / "run/mesh.glb", force="mesh", process=False)
    np.testing.assert_allclose(made.bounds, [[0, 0, 0], [1, 1, 0]], atol=1e-5)
    assert made.visual.uv is not None and len(made.faces) == 2


def test_it_may_be_said_in_either_way_and_with_any_refinement():
    assert composed(["prompt=a", "mesh=a ball, big.glb"]).mesh_file == "a ball, big.glb"
    assert composed(["prompt=a", "mesh_file=a.glb"]).refine.steps > 0
    assert composed(["prompt=a", "mesh=a.glb", "experiment=magic3d"]).refine.steps == 5000
    assert composed(["prompt=a", "mesh=default"]).mesh_file is None
    assert composed(["prompt=a", "mesh=a.glb", "mesh.faces=500", "refine=none"]).refine.steps == 0


def test_several_meshes_make_several_runs():
    words = [renamed(word) for word in ("-m", "prompt=a", "mesh=a.glb,b.glb")]
    assert exactly(next(jobs(words))).mesh_file == "a.glb"


def test_a_mesh_with_z_up_stands_upright(tmp_path):
    trimesh.creation.box(extents=(1, 2, 4)).export(tmp_path / "tall.stl")
    for words, size in (([], (1, 2, 4)), (["mesh.up=z"], (1, 4, 2)), (["mesh.up=z", "mesh.front=x"], (2, 4, 1))):
        mesh = given_mesh(composed(["prompt=a", f"mesh={tmp_path / 'tall.stl'}", "refine=texture", *words]))
        assert mesh is not None and mesh.placement is not None
        extent = (mesh.vertices.amax(0) - mesh.vertices.amin(0)) * mesh.placement[3]
        torch.testing.assert_close(extent, torch.tensor(size).float())


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
    "a sheet": ("sheet.ply", r"sheet\.ply, 2 triangles that enclose no volume.*thicken"),
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
    assert command([*rebuild(place), f"mesh={file}", "refine=tets", "out=run"]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and re.search(expected, captured.err)
    assert not (place / "run").exists()


def test_a_mesh_with_nothing_to_do_is_an_error(tmp_path, capsys):
    assert command([*rebuild(tmp_path), f"mesh={ball_file(tmp_path)}", "refine=none"]) == 2
    assert "but refine=none; use refine=tets" in capsys.readouterr().err


def test_a_resumed_restyling_has_no_more_coarse_steps(whole, capsys):
    assert command([f"resume={whole}", "steps=900"]) == 2
    assert "no coarse stage; leave steps= out" in capsys.readouterr().err


def test_the_mesh_is_inside_the_ball(tmp_path):
    mesh = given_mesh(composed(["prompt=a", f"mesh={ball_file(tmp_path)}"]))
    assert mesh is not None and 0.9 < mesh.vertices.norm(dim=1).max() < 0.95
    assert given_mesh(composed(["prompt=a"])) is None
