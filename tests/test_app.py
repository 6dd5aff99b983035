"""The form, used through its own client as a browser would."""

import base64
import html
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from small_run import SMALL, box_file

pytest.importorskip("gradio", reason='gradio is not installed (pip install -e ".[ui]")')
from gradio_client import Client, handle_file

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import app

QUICK = [word for word in SMALL if not word.startswith("prompt=")]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    place = tmp_path_factory.mktemp("app")
    overrides = [*QUICK, "experiment=reconstruct", f"prior.path={box_file(place)}", "prior.resolution=32",
                 "preview_every=2", "turntable=0"]  # fmt: skip
    (temporary := place / "temporary").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary))
        page = app.form(overrides)
        _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **app.LAUNCH)
        yield Client(url, verbose=False, httpx_kwargs={"timeout": 300}), place
        page.close()


def path_of(value) -> str:
    return value["value"] if isinstance(value, dict) and "value" in value else value


def test_a_prompt_becomes_a_mesh(client):
    model, picture, files, facts = client[0].predict(
        "a box", 1, 3, "sds", "triplane", "none", None, None, api_name="/make"
    )
    named = {Path(path_of(file)).name: path_of(file) for file in files}
    assert {"mesh.glb", "run.json", "metrics.jsonl"} <= named.keys() and "checkpoint.pt" not in named
    mesh = trimesh.load(named["mesh.glb"], force="mesh")
    assert f"{len(mesh.faces)} triangles" in facts and Path(path_of(picture)).stat().st_size > 500
    embedded = base64.b64encode(Path(named["mesh.glb"]).read_bytes()).decode()
    assert model.startswith("<iframe") and embedded in html.unescape(model)  # the viewer, of this mesh


@pytest.mark.parametrize(
    "words, expected",
    [
        (("", 0, 3, "sds", "triplane", "none", None, None), "prompt: got an empty text"),
        (("a box", 0, 10**6, "sds", "triplane", "none", None, None), "2000"),
        (("a " * 400, 0, 3, "sds", "triplane", "none", None, None), "300"),
        (("a box", 0, 3, "none of these", "triplane", "none", None, None), "none of these"),
    ],
)
def test_mistakes_are_said(words, expected, client):
    with pytest.raises(Exception, match=expected):
        client[0].predict(*words, api_name="/make")


def test_an_upload_that_is_no_mesh(client):
    file = client[1] / "a.glb"
    file.write_bytes(b"garbage")
    with pytest.raises(Exception, match=r"a\.glb"):
        client[0].predict("a box", 0, 3, "sds", "triplane", "texture", None, handle_file(file), api_name="/make")


def test_a_picture_is_taken_along(client):
    """A red square on nothing: the run has it as its reference, transparent where the picture was."""
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[16:48, 16:48] = (220, 30, 30, 255)
    Image.fromarray(pixels).save(client[1] / "my picture.png")
    words = ["a box", 0, 3, "sds", "triplane", "none", handle_file(client[1] / "my picture.png"), None]
    files = {Path(path_of(file)).name: path_of(file) for file in client[0].predict(*words, api_name="/make")[2]}
    assert "my" not in files and "image_grad_norm" in Path(files["metrics.jsonl"]).read_text()
    reference = np.asarray(Image.open(files["reference.png"]).convert("RGB")).astype(int)
    red = (reference[..., 0] > 150) & (reference[..., 1] < 80)
    assert 0.3 < red.mean() < 0.8 and not red[:3].any()


def test_a_picture_that_is_none(client):
    file = client[1] / "b.png"
    file.write_bytes(b"garbage")
    with pytest.raises(Exception, match=r"cannot identify image file"):
        client[0].predict("a box", 0, 3, "sds", "triplane", "none", handle_file(file), None, api_name="/make")


def test_nothing_is_left_behind(client):
    client[0].predict("a box", 0, 3, "sds", "triplane", "none", None, None, api_name="/make")
    assert list((client[1] / "temporary").glob("dream3d-*/run")) == []
