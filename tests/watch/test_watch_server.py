"""The live view's server: what it gives, and to whom it gives nothing."""

import http.client
import json

import pytest
import trimesh

from dream3d.run.stopping import STOP
from dream3d.watch.runs import SHOWN
from dream3d.watch.server import TYPES, opened, serving


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "outputs" / "a-run"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("prompt: <b>a box</b>\nseed: 3\nsteps: 10\n")
    (folder / ".lock").touch()
    (folder / "metrics.jsonl").write_text('{"step": 0, "loss": 0.5}\n')
    (folder / "preview.png").write_bytes(b"picture")
    (folder / "checkpoint.pt").write_bytes(b"not to be given away")
    trimesh.creation.box().export(folder / "preview.glb")
    return folder


@pytest.fixture
def server(run, tmp_path):
    with serving([tmp_path / "outputs"], 0) as server:
        yield server


def ask(server, path, method="GET", host=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    connection.request(method, path, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers


def key_of(server):
    return json.loads(ask(server, f"/{server.token}/runs")[1])[0]["key"]


def test_the_page_its_data_and_files(server):
    base = f"/{server.token}/"
    status, page, headers = ask(server, base)
    assert status == 200 and b"Stop and save" in page and headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["Referrer-Policy"] == "no-referrer"
    key = key_of(server)
    details = json.loads(ask(server, f"{base}run/{key}")[1])
    assert details["prompt"] == "<b>a box</b>" and details["curves"]["coarse"]["loss"] == [0.5]
    assert ask(server, f"{base}file/{key}/preview.png?1")[1] == b"picture"
    status, view, _ = ask(server, f"{base}view/{key}")
    assert status == 200 and b"&lt;b&gt;a box&lt;/b&gt;" in view and b"Z2xURg" in view  # glTF in base64
    assert set(TYPES) == {f".{name.split('.')[1]}" for name in SHOWN}


def test_it_listens_on_this_machine_alone(server):
    assert server.server_address[0] == "127.0.0.1" and server.url.startswith("http://127.0.0.1:")
    assert len(server.token) >= 20


@pytest.mark.parametrize(
    "path",
    ["/", "/runs", "//", "/{wrong}/", "/{wrong}/runs", "/{token}", "/{token}/file/{key}/checkpoint.pt",
     "/{token}/file/{key}/../config.yaml", "/{token}/file/{key}/..%2fconfig.yaml", "/{token}/file/../../etc/passwd",
     "/{token}/file/{key}/mesh.glb", "/{token}/file/{key}", "/{token}/run/none", "/{token}/run/{key}/more",
     "/{token}/../{token}/runs", "/{token}//etc/passwd", "http://elsewhere/{token}x/"],
)  # fmt: skip
def test_all_else_is_not_there(path, server):
    path = path.format(token=server.token, wrong="A" * len(server.token), key=key_of(server))
    status, body, _ = ask(server, path)
    assert (status, body) == (404, b"not found")


def test_a_page_elsewhere_whose_name_points_here_gets_nothing(server):
    base = f"/{server.token}/"
    assert ask(server, base, host="evil.example")[0] == 404
    assert ask(server, base, host=f"evil.example:{server.server_address[1]}")[0] == 404
    assert ask(server, base, host="localhost:9000")[0] == 200  # the near end of a tunnel


def test_the_stop_button(server, run):
    path = f"/{server.token}/stop/{key_of(server)}"
    assert ask(server, path)[0] == 404 and not (run / STOP).exists()  # a link must not stop a run
    assert ask(server, path.replace(server.token, "x"), "POST")[0] == 404 and not (run / STOP).exists()
    assert ask(server, path, "POST")[0] == 200 and (run / STOP).exists()


def test_a_finished_run_is_not_told_to_stop(server, run):
    (run / "run.json").write_text("{}")
    assert ask(server, f"/{server.token}/stop/{key_of(server)}", "POST")[0] == 200
    assert not (run / STOP).exists()


def test_a_port_that_is_taken(server, tmp_path):
    taken = server.server_address[1]
    with pytest.raises(OSError):
        opened([tmp_path], taken)
