"""The viewer in a real browser: headless Chromium draws it, and the pixels are looked at."""

import re
import shutil
import subprocess

import numpy as np
import pytest
import trimesh
from PIL import Image as Pillow

from dream3d.report.viewer import write_viewer

BROWSER = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine to open viewer.html with")

FLAGS = """--headless --no-sandbox --disable-gpu --use-gl=angle --use-angle=swiftshader
--enable-unsafe-swiftshader
--disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync
--disable-dev-shm-usage --enable-logging=stderr --v=0 --force-device-scale-factor=1 --window-size=480,480
--virtual-time-budget=1500""".split()
STILL = "--force-prefers-reduced-motion"
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


def shown(
    mesh: trimesh.Trimesh,
    folder,
    view: str,
    extra: str = STILL,
    script: str = "",
    before: trimesh.Trimesh | None = None,
) -> tuple[np.ndarray, list[str]]:
    """The screenshot and the console's complaints."""
    (folder / "mesh.glb").write_bytes(mesh.export(file_type="glb", include_normals=True))
    if before is not None:
        (folder / "before.glb").write_bytes(before.export(file_type="glb", include_normals=True))
    write_viewer(folder / "mesh.glb", folder / "viewer.html", "a box </script>", folder / "before.glb")
    page = (folder / "viewer.html").read_text(encoding="utf-8").replace("</body>", script + "</body>")
    (folder / "viewer.html").write_text(page, encoding="utf-8")
    assert BROWSER is not None
    command = [
        BROWSER,
        *FLAGS,
        extra,
        f"--user-data-dir={folder / 'profile'}",
        f"--screenshot={folder / 'shot.png'}",
    ]
    done = subprocess.run(
        [*command, (folder / "viewer.html").as_uri() + view],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said = re.findall(r"(?:INFO|WARNING|ERROR):CONSOLE.*", done.stderr)
    return np.asarray(Pillow.open(folder / "shot.png").convert("RGB")).astype(int), [
        line
        for line in said
        if "GL Driver Message" not in line  # the software renderer on its own speed
    ]


def is_like(pixel: np.ndarray, colour: tuple[int, int, int]) -> bool:
    """The same hue, at least half as bright."""
    on = np.array(colour) > 127
    return bool((pixel[on] > 120).all() and (pixel[~on] < 30).all())


def asymmetry(picture: np.ndarray) -> float:
    """Fraction of the pixels, between header and buttons, that differ from their mirror image."""
    body = picture[80:390]
    return float((np.abs(body - body[:, ::-1]).max(-1) > 60).mean())


def test_the_front_is_upright(tmp_path):
    picture, complaints = shown(box(), tmp_path, "#azimuth=0&elevation=30")
    assert complaints == []
    assert is_like(picture[290, 240], SIDES[2, 1])
    column = [is_like(p, SIDES[1, 1]) for p in picture[:, 240]]
    assert any(column[:240]) and not any(column[240:])  # the top is above
    assert asymmetry(picture) < 0.002  # less motion is wished for, so it stands still


def test_it_starts_in_three_quarter_view(tmp_path):
    picture, complaints = shown(box(), tmp_path, "")
    assert complaints == []
    seen = picture[100:390:4, 60:420:4].reshape(
        -1, 3
    )  # a side counts from a hundredth on: edges show a thin line of the back
    sides = [np.mean([is_like(p, SIDES[side]) for p in seen]) > 0.01 for side in SIDES]
    assert dict(zip(SIDES, sides, strict=True)) == {
        (0, 1): True, (0, -1): False, (1, 1): True, (1, -1): False, (2, 1): True, (2, -1): False,
    }  # fmt: skip


def pressed(*names: str) -> str:
    clicks = "".join(f"document.getElementById('{name}').click();" for name in names)
    return f"<script>addEventListener('load', () => setTimeout(() => {{ {clicks} }}, 300));</script>"


def test_normals_are_colours(tmp_path):
    picture, complaints = shown(box(), tmp_path, "#azimuth=0&elevation=0", script=pressed("normals"))
    assert complaints == []
    assert np.abs(picture[240, 240] - (128, 128, 255)).max() <= 2  # towards +z


def test_clay_has_no_colours_and_the_wireframe_is_drawn_over_it(tmp_path):
    plain, complaints = shown(box(), tmp_path, "#azimuth=0&elevation=0", script=pressed("clay"))
    lined, more = shown(box(), tmp_path, "#azimuth=0&elevation=0", script=pressed("clay", "wire"))
    assert complaints == more == []
    front = plain[200:280, 200:280]
    assert np.ptp(front[0, 0]) <= 2 and front.min() > 120
    differs = np.abs(lined - plain).max(-1)[180:300, 180:300] > 10
    assert 60 < differs.sum() < 800  # the diagonal of the front's two triangles


def test_the_slider_shows_what_was_before_on_the_left(tmp_path):
    red = box()
    red.visual.vertex_colors = np.tile([255, 0, 0, 255], (len(red.vertices), 1))
    picture, complaints = shown(box(), tmp_path, "#azimuth=0&elevation=0", before=red)
    assert complaints == []
    assert is_like(picture[240, 170], (255, 0, 0)) and is_like(picture[240, 320], SIDES[2, 1])


def test_azimuth_grows_towards_x(tmp_path):
    picture, complaints = shown(box(), tmp_path, "#azimuth=90&elevation=0")
    assert complaints == []
    assert is_like(picture[240, 240], SIDES[0, 1])


def test_dragging_keys_and_button_work(tmp_path):
    """The front is dragged to the right until the left side is seen; B makes the background dark."""
    script = """<script>addEventListener('load', () => setTimeout(() => {
      const view = document.getElementById('view'), at = (kind, x) => view.dispatchEvent(
        new PointerEvent(kind, { pointerId: 1, clientX: x, clientY: 240, bubbles: true }));
      view.setPointerCapture = () => {};  // there is no real pointer to capture
      at('pointerdown', 100); at('pointermove', 250); at('pointermove', 310); at('pointerup', 310);
      at('pointermove', 400);
      dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }));
      view.dispatchEvent(new WheelEvent('wheel', { deltaY: 400, cancelable: true }));
      document.getElementById('background').click();
    }, 300));</script>"""
    picture, complaints = shown(box(), tmp_path, "#azimuth=0&elevation=0", script=script)
    assert complaints == []
    assert is_like(picture[240, 240], SIDES[0, -1])  # 210 pixels at 0.4 degrees, and a key of 6
    assert picture[60, 20].max() < 60  # dark
    side = picture[240, :, 1] > 120  # cyan
    assert 60 < side.sum() < 180  # zoomed out


def test_texture_is_upright_and_its_colours_are_kept(tmp_path):
    picture, complaints = shown(quad(), tmp_path, "#azimuth=0&elevation=0")
    assert complaints == []
    corners = {
        (190, 190): (255, 0, 0),
        (190, 290): (0, 255, 0),
        (290, 190): (0, 0, 255),
        (290, 290): (128, 128, 128),
    }
    for (row, column), colour in corners.items():
        assert np.abs(picture[row, column] - colour).max() <= 12  # seen head-on, light is nearly 1


def test_it_turns_by_itself(tmp_path):
    picture, complaints = shown(box(), tmp_path, "#azimuth=0&elevation=0", extra="--mute-audio")
    assert complaints == []
    assert asymmetry(picture) > 0.02


def test_without_webgl_there_is_a_message(tmp_path):
    picture, complaints = shown(box(), tmp_path, "", extra="--disable-3d-apis")
    assert [line for line in complaints if "Uncaught" in line] == []
    middle = picture[200:280]
    assert 0.005 < (np.abs(middle - middle[0, 0]).max(-1) > 60).mean() < 0.3  # words, no cube
