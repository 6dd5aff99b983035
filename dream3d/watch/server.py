"""The live view's server: loopback only, a secret token in the address, and no file paths taken from requests.

``GET /<token>/`` is the page, ``runs`` and ``run/<key>`` are its data, ``file/<key>/<name>`` one of the few files
in ``runs.SHOWN``, ``view/<key>`` an interactive view of the current mesh; ``POST stop/<key>`` stops a run after its
step.
"""

import hmac
import json
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from dream3d.report.viewer import viewer_page
from dream3d.run.stopping import STOP
from dream3d.watch.runs import Runs, Watched

PAGE = Path(__file__).with_name("page.html")
PORT = 8765
HOSTS = {"127.0.0.1", "localhost", "::1"}
"""Accepted Host names; any other is a DNS-rebinding attack."""
TYPES = {".png": "image/png", ".gif": "image/gif", ".glb": "model/gltf-binary", ".html": "text/html; charset=utf-8"}
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' blob: data:; "
    "connect-src 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)


class LiveServer(ThreadingHTTPServer):
    """Listens on the loopback address; ``port`` 0 takes any free one."""

    daemon_threads = True

    def __init__(self, roots: Sequence[Path], port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.runs, self.token, self.lock = Runs(roots), secrets.token_urlsafe(16), threading.Lock()

    @property
    def url(self) -> str:
        """Address of the page, with its secret token."""
        return f"http://127.0.0.1:{self.server_address[1]}/{self.token}/"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: LiveServer  # pyright: ignore[reportIncompatibleVariableOverride]
    server_version, sys_version = "dream3d", ""

    def log_message(self, format: str, *args: object) -> None:
        """No request log: the console belongs to the run."""

    def do_GET(self) -> None:
        words = self.words()
        if words == [""]:
            return self.send(PAGE.read_bytes(), "text/html; charset=utf-8")
        if words == ["runs"]:
            with self.server.lock:
                return self.send_json([run.summary() for run in self.server.runs.all()])
        run = self.named(words)
        return self.missing() if run is None else self.about(run, *(words or []))

    def about(self, run: Watched, kind: str, key: str, *name: str) -> None:
        """The resources of one run."""
        if kind == "run" and not name:
            with self.server.lock:
                return self.send_json(run.details())
        if kind == "view" and not name:
            return self.view(run)
        if kind == "file" and len(name) == 1 and name[0] in run.files():
            return self.send((run.folder / name[0]).read_bytes(), TYPES[Path(name[0]).suffix])
        return self.missing()

    def do_POST(self) -> None:
        words = self.words()
        run = self.named(words)
        if run is None or words is None or words[0] != "stop" or len(words) != 2:
            return self.missing()
        if run.state() == "running":
            (run.folder / STOP).touch()
        return self.send_json({"state": run.state()})

    def words(self) -> list[str] | None:
        """The path components after the token; None without the token or with another Host."""
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        token, slash, rest = urlsplit(self.path).path.removeprefix("/").partition("/")
        right = hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode())
        return rest.split("/") if right and slash and host in HOSTS else None

    def named(self, words: list[str] | None) -> Watched | None:
        """The run that a path refers to."""
        if words is None or len(words) < 2:
            return None
        with self.server.lock:
            return self.server.runs.find(words[1])

    def view(self, run: Watched) -> None:
        """The newer of the finished mesh and the preview mesh."""
        there = {name: time for name, time in run.files().items() if name.endswith(".glb")}
        if not there:
            return self.missing()
        latest = max(there, key=lambda name: there[name])
        page = viewer_page((run.folder / latest).read_bytes(), run.settings["prompt"])
        return self.send(page.encode(), TYPES[".html"])

    def missing(self) -> None:
        """The same response for everything that does not exist or is not allowed."""
        self.send(b"not found", "text/plain", HTTPStatus.NOT_FOUND)

    def send_json(self, content: object) -> None:
        """Answer with the content as JSON."""
        self.send(json.dumps(content).encode(), "application/json")

    def send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Answer with a body of the given MIME type and the headers that keep the page private."""
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": POLICY,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def opened(roots: Sequence[Path], port: int | None = None) -> LiveServer:
    """A server on ``port``; by default on ``PORT``, or on any free port if that is taken.

    Raises:
        OSError: the requested port is taken.
    """
    try:
        return LiveServer(roots, PORT if port is None else port)
    except OSError:
        if port is not None:
            raise
        return LiveServer(roots, 0)


@contextmanager
def serving(roots: Sequence[Path], port: int | None = None) -> Iterator[LiveServer]:
    """Run the server in its own thread until the block ends."""
    server = opened(roots, port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
