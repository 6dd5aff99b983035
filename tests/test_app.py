"""The form, used through its own client as a browser would."""

import sys
from pathlib import Path

import pytest
import trimesh
from small_run import SMALL, box_file, without_pictures

pytest.importorskip("gradio", reason='gradio is not installed (pip install -e ".[ui]")')
from gradio_client import Client, handle_file

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import app

QUICK = [word for word in SMALL if not word.startswith("prompt=")]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    place = tmp_path_factory.mktemp("app")
    overrides = [*QUICK, "experiment=reconstruct", f"prior.path={box_file(place)}", "prior.resolution=32",
                 "preview_every=2"]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        page = app.form(overrides)
        _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1",
                                max_file_size=app.LARGEST_UPLOAD)  # fmt: skip
        yield Client(url, verbose=False, httpx_kwargs={"timeout": 300}), place
        page.close()


def path_of(value) -> str:
    return value["value"] if isinstance(value, dict) and "value" in value else value


def test_a_prompt_becomes_a_mesh(client):
    model, picture, files, facts = client[0].predict("a box", 1, 3, "sds", "triplane", "none", None, api_name="/make")
    mesh = trimesh.load(path_of(model), force="mesh")
    assert f"{len(mesh.faces)} triangles" in facts and Path(path_of(picture)).stat().st_size > 500
    names = {Path(path_of(file)).name for file in files}
    assert {"mesh.glb", "run.json", "metrics.jsonl"} <= names and "checkpoint.pt" not in names


@pytest.mark.parametrize(
    "words, expected",
    [
        (("", 0, 3, "sds", "triplane", "none", None), "prompt: got an empty text"),
        (("a box", 0, 10**6, "sds", "triplane", "none", None), "2000"),
        (("a " * 400, 0, 3, "sds", "triplane", "none", None), "300"),
        (("a box", 0, 3, "none of these", "triplane", "none", None), "none of these"),
    ],
)
def test_mistakes_are_said(words, expected, client):
    with pytest.raises(Exception, match=expected):
        client[0].predict(*words, api_name="/make")


def test_an_upload_that_is_no_mesh(client):
    file = client[1] / "a.glb"
    file.write_bytes(b"garbage")
    with pytest.raises(Exception, match=r"a\.glb"):
        client[0].predict("a box", 0, 3, "sds", "triplane", "texture", handle_file(file), api_name="/make")
