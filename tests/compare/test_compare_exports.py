import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image as Pillow
from scenes import sphere

from dream3d.compare.exports import WRITERS, write_exports
from dream3d.compare.grid import Cell
from dream3d.compare.settings import LAYOUTS, Settings
from dream3d.mesh.export import export


@pytest.fixture
def cells(tmp_path: Path) -> list[Cell]:
    """Two finished runs, and one without a mesh."""
    found = []
    for i, (variant, prompt) in enumerate([("sds", "a ball"), ("csd, noise=fixed", "a red ball"), ("vsd", "a ball")]):
        folder = tmp_path / f"cell{i}"
        folder.mkdir()
        if variant != "vsd":
            export(sphere(), folder, ["glb"])
        found.append(Cell(variant, prompt, 3, folder, folder, {"steps": 40}))
    return found


def settings(tmp_path: Path, **own) -> Settings:
    return Settings(out=str(tmp_path / "out"), seeds=[3], export_views=4, export_size=24, **own)


def pixels(file: Path) -> np.ndarray:
    return np.asarray(Pillow.open(file)).astype(float)


def test_gpteval3d(cells, tmp_path):
    """Their folders; colour on white, normals of the world: from the front, blue (+z) in the middle."""
    (folder,) = write_exports(cells, settings(tmp_path, export="gpteval3d"))
    assert json.loads((folder / "prompts.json").read_text()) == ["a ball", "a red ball"]
    place = folder / "methods" / "sds" / "0" / "3"
    assert {f.name for f in place.iterdir()} == {f"{kind}_{i}.png" for kind in ("rgb", "normal") for i in range(4)}
    assert (folder / "methods" / "csd-noise-fixed" / "1" / "3" / "rgb_3.png").is_file()
    assert not (folder / "methods" / "vsd").exists()
    front = pixels(place / "normal_0.png")
    assert (
        front.shape == (24, 24, 3) and (front[0, 0] == 255).all() and (pixels(place / "rgb_0.png")[0, 0] == 255).all()
    )
    assert front[12, 12, 2] > 230 and abs(front[12, 12, 0] - 128) < 30
    assert pixels(place / "normal_1.png")[12, 12, 0] > 230, "the second of four cameras is on +x"


def test_gpteval3d_keeps_a_tournaments_order_of_prompts(cells, tmp_path):
    folder = tmp_path / "out" / "gpteval3d"
    folder.mkdir(parents=True)
    (folder / "prompts.json").write_text('["a red ball", "a hat"]')
    write_exports(cells, settings(tmp_path, export=["gpteval3d"]))
    assert json.loads((folder / "prompts.json").read_text()) == ["a red ball", "a hat", "a ball"]
    assert {f.name for f in (folder / "methods").glob("*/*")} == {"0", "2"}


def test_gpteval3d_leaves_what_is_there(cells, tmp_path):
    (folder,) = write_exports(cells, settings(tmp_path, export="gpteval3d"))
    file = folder / "methods" / "sds" / "0" / "3" / "rgb_0.png"
    stamp = file.stat().st_mtime_ns
    write_exports(cells, settings(tmp_path, export="gpteval3d"))
    assert file.stat().st_mtime_ns == stamp


def test_t3bench(cells, tmp_path):
    """Where its scripts look for meshes, z up; and the prompts by group."""
    (folder,) = write_exports(cells, settings(tmp_path, export="t3bench"))
    found = sorted(
        str(f.relative_to(folder)) for f in folder.glob("outputs_mesh_t3/*_single/a*/save/it*-export/model.obj")
    )
    assert found == [
        "outputs_mesh_t3/csd-noise-fixed_single/a_red_ball@3/save/it40-export/model.obj",
        "outputs_mesh_t3/sds_single/a_ball@3/save/it40-export/model.obj",
    ]
    assert (folder / "data" / "prompt_single.txt").read_text() == "a ball\na red ball\n"
    turned = np.asarray(trimesh.load(folder / found[1], force="mesh", process=False).vertices)
    ours = np.asarray(trimesh.load(cells[0].folder / "mesh.glb", force="mesh", process=False).vertices)
    np.testing.assert_allclose(turned[:, 2], ours[:, 1], atol=1e-4)
    np.testing.assert_allclose(turned[:, 1], -ours[:, 2], atol=1e-4)


def test_the_kind_of_prompt_is_the_group(cells, tmp_path):
    prompt = "a candle melting over a wine bottle"
    cell = Cell("sds", prompt, 0, cells[0].folder, cells[0].folder, {"steps": 40})
    (folder,) = write_exports([cell], settings(tmp_path, export="t3bench", benchmark="open_surroundings"))
    assert (folder / "data" / "prompt_surr.txt").read_text() == f"{prompt}\n"
    assert (folder / "outputs_mesh_t3" / "sds_surr").is_dir()


def test_every_layout_that_may_be_asked_for_has_a_writer():
    assert tuple(WRITERS) == LAYOUTS
