"""A server that is there, one that is not, a name that is never found, and a proxy in between."""

import socket
import threading

import pytest

from dream3d.priors.loading.reach import reachable


@pytest.fixture
def server(monkeypatch):
    """The address of something that listens; no proxies."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def test_who_is_there_and_who_is_not(server):
    assert reachable(f"http://{server}")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert not reachable(f"http://127.0.0.1:{port}")
    assert not reachable("http://")


def test_a_name_that_is_never_found_does_not_hang(server, monkeypatch):
    monkeypatch.setattr("socket.create_connection", lambda *_: threading.Event().wait())
    assert not reachable("https://nowhere.invalid", seconds=0.05)


def test_behind_a_proxy_it_is_the_proxy_that_counts(server, monkeypatch):
    monkeypatch.setenv("https_proxy", f"http://{server}")
    assert reachable("https://nowhere.invalid")
