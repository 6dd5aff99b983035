import csv
from html.parser import HTMLParser

from dream3d.report.gallery import write_gallery

NASTY = '</figcaption><script>alert(1)</script> & "x"'


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data):
        self.text += data


def row(folder, **other):
    return {"prompt": "a", "settings": "", "folder": folder, "seconds": "", "warnings": "", "error": "", **other}


def test_links_lead_to_what_is_there_and_text_stays_text(tmp_path):
    there = {'1 "a"': ("turntable.gif", "preview.png", "viewer.html", "mesh.glb"), "2": ("preview.png",), "3": ()}
    for folder, files in there.items():
        (tmp_path / folder).mkdir()
        for file in files:
            (tmp_path / folder / file).touch()
    index = write_gallery(tmp_path, [row('1 "a"', prompt=NASTY), row("2", warnings="w"), row("3", error="broken")])
    page = Links()
    page.feed(index.read_text(encoding="utf-8"))
    first = "1%20%22a%22"
    assert page.links == [f"{first}/viewer.html", f"{first}/turntable.gif", f"{first}/mesh.glb", f"{first}/preview.png",
                          "2/preview.png", "2/preview.png", "runs.csv"]  # fmt: skip
    assert "script" not in page.tags and NASTY in page.text and "no picture" in page.text and "broken" in page.text
    with (tmp_path / "runs.csv").open(encoding="utf-8", newline="") as file:
        assert [r["prompt"] for r in csv.DictReader(file)] == [NASTY, "a", "a"]
