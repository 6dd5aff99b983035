"""The live page of a real run in a real browser, from its first step to the button that stops it."""

import re
import signal
import subprocess
import time

import numpy as np
import pytest
import trimesh
from browser import BROWSER, PATIENCE, Browser
from small_run import process, rebuild

from dream3d.run import checkpoint
from dream3d.watch.server import serving

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine to open the live page with")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    page = Browser(tmp_path_factory.mktemp("browser"), 1200, 1000)
    yield page
    page.close()


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A run that would go on for days: its process, its folder and the address of its page."""
    place = tmp_path_factory.mktemp("live")
    words = rebuild(place, "steps=1000000", "preview_every=30", "live=true", "turntable=0", f"out={place / 'run'}")
    running = process("-m dream3d", words, cwd=place)
    assert running.stdout is not None
    said = re.search(r"http://127\.0\.0\.1:\d+/\S+/", running.stdout.readline())
    assert said is not None, running.communicate(timeout=PATIENCE)
    yield running, place / "run", said[0]
    if running.poll() is None:
        running.kill()
        running.communicate()


def text(page: Browser, name: str) -> str:
    return page.run(f"document.getElementById('{name}').textContent")


def bounds(page: Browser, name: str) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of an element, once it is scrolled to."""
    box = page.run(f"""(() => {{ const e = document.getElementById('{name}'); e.scrollIntoView({{block: 'center'}});
      const b = e.getBoundingClientRect(); return [b.top, b.bottom, b.left, b.right].map(Math.round); }})()""")
    return tuple(box)


def click(page: Browser, name: str) -> None:
    top, bottom, left, right = bounds(page, name)
    page.drag("left", ((left + right) // 2, (top + bottom) // 2))


def test_without_the_secret_there_is_nothing(page, live):
    for address in (live[2].rsplit("/", 2)[0] + "/", re.sub(r"/[^/]+/$", "/wrong/", live[2])):
        page.send("Page.navigate", url=address)
        page.wait("document.readyState === 'complete' && document.body.textContent === 'not found'")


def test_a_run_is_followed_and_stopped(page, live):
    running, folder, address = live
    page.open(address)
    page.wait("/^a box: [1-9]/.test(document.title)")
    first = page.run("document.getElementById('bar').value")
    page.wait(f"document.getElementById('bar').value > {first}")  # progress
    assert "running, coarse" in text(page, "facts") and text(page, "prompt") == "a box"
    assert page.wait("/steps\\/s, \\d+:\\d\\d left/.test(document.getElementById('facts').textContent)")
    assert page.wait("document.getElementById('preview').naturalWidth") >= 64

    names = page.run("[...document.querySelectorAll('#curves figcaption')].map(e => e.textContent.split(' ')[0])")
    assert {"loss", "grad_norm"} <= set(names)
    drawn = """[...document.querySelectorAll('#curves canvas')].map(c => {
      const pixels = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, lit = new Set();
      for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 2] > 180 && pixels[i] < 100) lit.add(i / 4 % c.width);
      return lit.size; })"""  # how many columns each curve goes through
    assert page.wait(f"{drawn}.every(n => n > 300)")

    page.wait("(document.getElementById('view').contentWindow || {}).camera")  # the mesh so far
    page.wait("document.getElementById('view').contentDocument.getElementById('facts').textContent")
    before = mesh_picture(page)
    assert np.ptp(before[:, before.shape[1] // 4 : -before.shape[1] // 4], axis=(0, 1)).max() > 60  # something is there
    page.run("document.getElementById('view').contentWindow.camera.azimuth += 60")
    time.sleep(0.3)
    assert (np.abs(mesh_picture(page) - before).max(-1) > 30).mean() > 0.01  # which turns
    assert page.complaints == []

    click(page, "stop")
    try:
        out, err = running.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        pytest.fail("the button did not stop the run")
    assert running.returncode == 128 + signal.SIGINT and f"resume={folder}" in out + err
    step = checkpoint.load(folder / "checkpoint.pt")["step"]
    assert 30 <= step <= len((folder / "metrics.jsonl").read_text().splitlines())
    page.wait("/No answer from dream3d/.test(document.getElementById('message').textContent)")


def mesh_picture(page: Browser) -> np.ndarray:
    top, bottom, left, right = bounds(page, "view")
    page.frames()
    return page.picture()[top:bottom, left:right]


def test_many_runs_and_one_that_has_ended(page, live, tmp_path):
    """Two folders: a run that was stopped, whose button is off, and one that begins while the page is open."""
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    (stopped / "config.yaml").write_text("prompt: <i>a red car</i>\nseed: 3\nsteps: 10\n")
    (stopped / "metrics.jsonl").write_text('{"step": 0, "loss": 0.5}\n{"step": 1, "loss": null}\n')
    with serving([tmp_path], 0) as server:
        page.open(server.url)
        page.wait("document.title === '<i>a red car</i>: 2/10'")
        assert "stopped, coarse 2 of 10" in text(page, "facts") and page.run("document.getElementById('stop').disabled")
        assert page.run("document.querySelector('#run i')") is None  # a prompt is text, never markup
        (new := tmp_path / "new").mkdir()
        (new / "config.yaml").write_text("prompt: a castle\nseed: 4\nsteps: 20\n")
        (new / ".lock").touch()
        trimesh.creation.box().export(new / "preview.glb")
        page.wait("document.querySelectorAll('#runs button').length === 2")
        page.run("[...document.querySelectorAll('#runs button')].find(b => /castle/.test(b.textContent)).click()")
        page.wait("/^a castle/.test(document.title)")
        assert "running, coarse 0 of 20" in text(page, "facts")
        page.wait("/12 faces/.test(document.getElementById('view').contentDocument.body.textContent)")
        assert page.complaints == []
        page.open(server.url)  # the latest comes first
        page.wait("/^a castle/.test(document.title)")
