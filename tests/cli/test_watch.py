import re
import signal
import urllib.request

import pytest
from small_run import process, rebuild, without_pictures

from dream3d.cli.main import command
from dream3d.cli.watch import parsed
from dream3d.errors import UserError


def test_folders_and_port(tmp_path):
    assert parsed([str(tmp_path), "port=9000"]) == ([tmp_path], 9000)
    assert [str(root) for root in parsed([])[0]] == ["outputs"] and parsed([])[1] is None
    with pytest.raises(UserError, match=r"port: got '0', expected a number from 1 to 65535"):
        parsed(["port=0"])
    with pytest.raises(UserError, match=r"watch: got 'nowhere', expected a folder with runs"):
        parsed(["nowhere"])


@pytest.mark.parametrize("code", ["-m dream3d.watch", "-m dream3d"])
def test_it_serves_until_ctrl_c(code, tmp_path):
    words = [] if code.endswith("watch") else ["watch"]
    running = process(code, [*words, str(tmp_path)], cwd=tmp_path)
    assert running.stdout is not None
    said = re.search(r"http://127\.0\.0\.1:\d+/\S+/", running.stdout.readline())
    assert said is not None
    with urllib.request.urlopen(f"{said[0]}runs", timeout=20) as answer:
        assert answer.read() == b"[]"
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=20)
    assert running.returncode == 0 and err == ""


def test_a_live_run_says_where_and_makes_a_mesh_on_the_way(tmp_path, monkeypatch, capsys):
    without_pictures(monkeypatch)
    words = rebuild(tmp_path, "steps=40", "preview_every=40", "live=true", f"out={tmp_path / 'run'}")
    assert command(words) == 0
    assert re.search(r"^live view: http://127\.0\.0\.1:\d+/\S{20,}/$", capsys.readouterr().out, re.MULTILINE)
    log = (tmp_path / "run" / "log.txt").read_text()
    assert (tmp_path / "run" / "preview.glb").exists() or "empty" in log
