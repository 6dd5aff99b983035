"""The viewer in a real browser: headless Chromium draws it, and the pixels are looked at."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from browser import BROWSER, Browser
from PIL import Image as Pillow

from dream3d.mesh.export import export
from dream3d.report.viewer import write_viewer
from dream3d.types import Mesh

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine to open viewer.html with")

SIDES = {
    (0, 1): (255, 0, 0),
    (0, -1): (0, 255, 255),
    (1, 1): (255, 255, 0),
    (1, -1): (0, 0, 255),
    (2, 1): (0, 255, 0),
    (2, -1): (255, 0, 255),
}


def box() -> trimesh.Trimesh:
    """A cube with a colour for each side."""
    vertices, faces, colours = [], [], []
    for (axis, sign), colour in SIDES.items():
        corners = np.zeros((4, 3))
        corners[:, axis] = sign
        corners[:, (axis + 1) % 3] = [-1, 1, 1, -1]
        corners[:, (axis + 2) % 3] = [-1, -1, 1, 1]
        first = len(vertices)
        vertices += list(corners[::sign])
        faces += [(first, first + 1, first + 2), (first, first + 2, first + 3)]
        colours += [colour] * 4
    return trimesh.Trimesh(vertices, faces, vertex_colors=np.array(colours, np.uint8), process=False)


def quad() -> trimesh.Trimesh:
    """A square facing +z with a texture: red green above, blue grey below."""
    texture = np.zeros((64, 64, 3), np.uint8)
    texture[:32, :32], texture[:32, 32:] = (255, 0, 0), (0, 255, 0)
    texture[32:, :32], texture[32:, 32:] = (0, 0, 255), (128, 128, 128)
    material = trimesh.visual.material.PBRMaterial(
        baseColorTexture=Pillow.fromarray(texture), metallicFactor=0.0, roughnessFactor=1.0
    )
    visual = trimesh.visual.TextureVisuals(uv=[(0, 0), (1, 0), (1, 1), (0, 1)], material=material)
    corners = [(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)]
    return trimesh.Trimesh(corners, [(0, 1, 2), (0, 2, 3)], visual=visual, process=False)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A browser whose user wishes less motion, so that nothing turns by itself."""
    page = Browser(tmp_path_factory.mktemp("browser"))
    wish(page, "reduce")
    yield page
    page.close()


def wish(page: Browser, motion: str) -> None:
    page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": motion}])


def opened(
    page: Browser,
    folder: Path,
    mesh: trimesh.Trimesh | bytes,
    view: str = "#azimuth=0&elevation=0",
    before: trimesh.Trimesh | None = None,
) -> np.ndarray:
    """Write the viewer of a mesh, open it, and return what it looks like."""
    for name, thing in (("mesh", mesh), ("before", before)):
        if thing is not None:
            glb = thing if isinstance(thing, bytes) else thing.export(file_type="glb", include_normals=True)
            (folder / f"{name}.glb").write_bytes(glb)
    write_viewer(folder / "mesh.glb", folder / "viewer.html", "a box </script>", folder / "before.glb")
    page.open((folder / "viewer.html").as_uri() + view)
    page.wait("document.getElementById('facts').textContent || document.getElementById('message').textContent")
    return now(page)


def now(page: Browser) -> np.ndarray:
    """What the page looks like after it has drawn; it has nothing to complain of."""
    page.frames()
    assert page.complaints == []
    return page.picture()


def is_like(pixel: np.ndarray, colour: tuple[int, int, int]) -> bool:
    """The same hue, at least half as bright."""
    on = np.array(colour) > 127
    return bool((pixel[on] > 120).all() and (pixel[~on] < 30).all())


def asymmetry(picture: np.ndarray) -> float:
    """Fraction of the pixels, between header and buttons, that differ from their mirror image."""
    body = picture[80:390]
    return float((np.abs(body - body[:, ::-1]).max(-1) > 60).mean())


def test_the_front_is_upright(page, tmp_path):
    picture = opened(page, tmp_path, box(), "#azimuth=0&elevation=30")
    assert is_like(picture[290, 240], SIDES[2, 1])
    column = [is_like(p, SIDES[1, 1]) for p in picture[:, 240]]
    assert any(column[:240]) and not any(column[240:])  # the top is above
    assert asymmetry(picture) < 0.002  # less motion is wished for, so it stands still


def test_it_starts_in_three_quarter_view(page, tmp_path):
    picture = opened(page, tmp_path, box(), "")
    seen = picture[100:390:4, 60:420:4].reshape(-1, 3)
    # A side counts from a hundredth on: edges show a thin line of the back.
    sides = [np.mean([is_like(p, SIDES[side]) for p in seen]) > 0.01 for side in SIDES]
    assert dict(zip(SIDES, sides, strict=True)) == {
        (0, 1): True, (0, -1): False, (1, 1): True, (1, -1): False, (2, 1): True, (2, -1): False,
    }  # fmt: skip


def press(page: Browser, *names: str) -> np.ndarray:
    """Click the buttons of these names."""
    for name in names:
        page.run(f"document.getElementById('{name}').click()")
    return now(page)


def test_normals_are_colours(page, tmp_path):
    opened(page, tmp_path, box())
    assert np.abs(press(page, "normals")[240, 240] - (128, 128, 255)).max() <= 2  # towards +z


def test_clay_has_no_colours_and_the_wireframe_is_drawn_over_it(page, tmp_path):
    opened(page, tmp_path, box())
    plain = press(page, "clay")
    lined = press(page, "wire")
    front = plain[200:280, 200:280]
    assert np.ptp(front[0, 0]) <= 2 and front.min() > 120
    differs = np.abs(lined - plain).max(-1)[180:300, 180:300] > 10
    assert 60 < differs.sum() < 800  # the diagonal of the front's two triangles


def test_the_slider_shows_what_was_before_on_the_left(page, tmp_path):
    red = box()
    red.visual.vertex_colors = np.tile([255, 0, 0, 255], (len(red.vertices), 1))
    picture = opened(page, tmp_path, box(), before=red)
    assert is_like(picture[240, 170], (255, 0, 0)) and is_like(picture[240, 320], SIDES[2, 1])


def test_azimuth_grows_towards_x(page, tmp_path):
    picture = opened(page, tmp_path, box(), "#azimuth=90&elevation=0")
    assert is_like(picture[240, 240], SIDES[0, 1])


def test_dragging_wheel_keys_and_buttons(page, tmp_path):
    """The front is dragged to the right until the left side is seen; B makes the background dark."""
    opened(page, tmp_path, box())
    page.drag("left", (100, 240), (250, 240), (310, 240))
    page.mouse("Moved", 400, 240)  # no longer held
    page.key("ArrowRight")
    page.mouse("Wheel", 240, 240, deltaX=0, deltaY=400)
    picture = press(page, "background")
    assert is_like(picture[240, 240], SIDES[0, -1])  # 210 pixels at 0.4 degrees, and a key of 6
    assert picture[60, 20].max() < 60  # dark
    side = picture[240, :, 1] > 120  # cyan
    assert 60 < side.sum() < 180  # zoomed out
    page.key("b")
    page.key("0")
    picture = now(page)
    assert picture[60, 20].min() > 200 and is_like(picture[240, 240], SIDES[2, 1])


def test_one_finger_turns_two_move_and_pinch(page, tmp_path):
    opened(page, tmp_path, box())
    page.touch("Start", (100, 240))
    page.touch("Move", (200, 240))
    page.touch("Move", (325, 240))
    page.touch("End")
    assert is_like(now(page)[240, 240], SIDES[0, -1])  # 225 pixels at 0.4 degrees: the left side
    before = extent(opened(page, tmp_path, quad(), "#azimuth=0&elevation=0&zoom=0.7"), (0, 255, 0))
    page.touch("Start", (230, 250), (250, 230))
    page.touch("Move", (260, 265), (280, 245))
    moved = extent(now(page), (0, 255, 0)) - before
    assert np.abs(moved - [15, 30, 15, 30]).max() <= 2
    page.touch("Move", (250, 275), (290, 235))  # twice as far apart
    page.touch("End")
    sizes = [np.ptp(e[[0, 2]]) for e in (extent(now(page), (0, 255, 0)), before)]
    assert sizes[0] == pytest.approx(2 * sizes[1], rel=0.05)


def extent(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """The first row and column, and the last, of what is like a colour of 0 and 255."""
    on = np.array(colour) > 127
    where = np.argwhere((picture[..., on] > 120).all(-1) & (picture[..., ~on] < 30).all(-1))
    return np.concatenate((where.min(0), where.max(0)))


@pytest.mark.parametrize("zoom", [1, 2])
def test_the_right_button_moves_what_is_under_the_cursor_along_with_it(zoom, page, tmp_path):
    """A square on the target's plane, grabbed near its middle (the inner corner of its green quarter); then the front
    of a cube, which is nearer."""
    for mesh, share, edges in ((quad(), 1.0, [2, 1]), (box(), 0.5, [0, 1, 2, 3])):
        before = extent(opened(page, tmp_path, mesh, f"#azimuth=0&elevation=0&zoom={zoom * share}"), (0, 255, 0))
        page.drag("right", (250, 235), (260, 237), (280, 250))
        moved = extent(now(page), (0, 255, 0)) - before
        assert np.abs(moved - [15, 30, 15, 30])[edges].max() <= 1


def test_beside_the_object_the_target_s_plane_is_moved(page, tmp_path):
    before = extent(opened(page, tmp_path, quad()), (0, 255, 0))
    page.drag("right", (20, 300), (50, 285))
    assert np.abs(extent(now(page), (0, 255, 0)) - before - [-15, 30, -15, 30]).max() <= 1


def test_normal_map_and_occlusion_are_shown(page, tmp_path):
    """A square facing +z whose normal map leans 30 degrees towards +u, and whose right half is hidden to 0.3."""
    corners = torch.tensor([[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [-1.0, 1.0, 0.0]])
    leaning = 0.5 + 0.5 * torch.tensor([0.5, 0.0, 0.75**0.5])
    occlusion = torch.ones(16, 16, 1)
    occlusion[:, 8:] = 0.3
    mesh = Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]), normals=torch.tensor([[0.0, 0.0, 1.0]] * 4),
                uv=0.5 + 0.5 * corners[:, :2], texture=torch.full((16, 16, 3), 0.5),
                normal_map=leaning.expand(16, 16, 3), occlusion=occlusion)  # fmt: skip
    (folder := tmp_path / "file").mkdir()
    export(mesh, folder, ["glb"])
    picture = opened(page, tmp_path, (folder / "mesh.glb").read_bytes())
    light = (picture[240, [200, 280], 0] / 255 + 0.055) / 1.055
    assert (light[1] / light[0]) ** 2.4 == pytest.approx(0.3, rel=0.05)
    assert np.abs(press(page, "normals")[240, 200] - 255 * leaning.numpy()).max() <= 3


def test_texture_is_upright_and_its_colours_are_kept(page, tmp_path):
    picture = opened(page, tmp_path, quad())
    corners = {
        (190, 190): (255, 0, 0),
        (190, 290): (0, 255, 0),
        (290, 190): (0, 0, 255),
        (290, 290): (128, 128, 128),
    }
    for (row, column), colour in corners.items():
        assert np.abs(picture[row, column] - colour).max() <= 12  # seen head-on, light is nearly 1


def test_it_turns_by_itself(page, tmp_path):
    wish(page, "no-preference")
    try:
        opened(page, tmp_path, box())
        page.wait("camera.azimuth < -3")
        assert asymmetry(now(page)) > 0.02
    finally:
        wish(page, "reduce")


def test_without_webgl_there_is_a_message(page, tmp_path):
    script = "HTMLCanvasElement.prototype.getContext = () => null"
    made = page.send("Page.addScriptToEvaluateOnNewDocument", source=script)["identifier"]
    try:
        middle = opened(page, tmp_path, box(), "")[200:280]
        assert 0.005 < (np.abs(middle - middle[0, 0]).max(-1) > 60).mean() < 0.3  # words, no cube
        assert "WebGL" in page.run("document.getElementById('message').textContent")
    finally:
        page.send("Page.removeScriptToEvaluateOnNewDocument", identifier=made)
