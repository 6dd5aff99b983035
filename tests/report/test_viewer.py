import base64
import re
from html.parser import HTMLParser

import pytest

from dream3d.report.viewer import viewer_page, write_viewer

GLB = b"glTF" + bytes(range(200))
NASTY = "</script><script>alert(1)</script> & \"quoted\" 'too' {{glb}} \\1 ${x}"


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.inside, self.tags, self.text = "", [], {}

    def handle_starttag(self, tag, attrs):
        self.inside = tag
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        self.text[self.inside] = self.text.get(self.inside, "") + data


def test_a_nasty_title_stays_text():
    page = Seen()
    page.feed(viewer_page(GLB, NASTY))
    assert page.text["title"] == NASTY and page.text["h1"] == NASTY
    assert [tag for tag, _ in page.tags].count("script") == 3
    assert "alert" not in page.text["script"]


def test_the_model_is_embedded_whole():
    page = viewer_page(GLB, "x")
    found = re.search(r'<script type="application/octet-stream" id="glb">([^<]*)</script>', page)
    assert found is not None and base64.b64decode(found[1]) == GLB


def test_the_model_before_refinement_is_embedded_too():
    before = GLB + b"before"
    found = re.search(
        r'<script type="application/octet-stream" id="before">([^<]*)</script>', viewer_page(GLB, "x", before)
    )
    assert found is not None and base64.b64decode(found[1]) == before
    with pytest.raises(ValueError, match="expected a binary glTF"):
        viewer_page(GLB, "x", b"# obj")


def test_nothing_is_fetched():
    page = viewer_page(GLB, "x")
    assert "default-src 'none'" in page and "http:" not in page and "https:" not in page
    tags = Seen()
    tags.feed(page)
    assert not [t for t, attrs in tags.tags if t == "link" or "src" in attrs]


def test_other_files_are_refused():
    with pytest.raises(ValueError, match="expected a binary glTF"):
        viewer_page(b"# obj", "x")


def test_written_atomically(tmp_path):
    (tmp_path / "mesh.glb").write_bytes(GLB)
    write_viewer(tmp_path / "mesh.glb", tmp_path / "viewer.html", "ein Käse 🧀")
    assert (tmp_path / "viewer.html").read_text(encoding="utf-8") == viewer_page(GLB, "ein Käse 🧀")
    assert len(list(tmp_path.iterdir())) == 2
