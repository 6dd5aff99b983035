"""The whole command, and its report in a browser."""

import csv
import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from cheap import ball, quicken, run, words
from PIL import Image as Pillow

from dream3d.compare.figures import number

BROWSER = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-dev-shm-usage --enable-logging=stderr --v=0
--hide-scrollbars --force-device-scale-factor=1 --window-size=1280,1600 --virtual-time-budget=1500""".split()
PROMPTS = ["a ball </script>", "a {{cells}} & ball"]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    mesh = ball(folder)
    with pytest.MonkeyPatch.context() as patch:
        quicken(patch.setattr)
        (folder / "prompts.txt").write_text("\n".join(PROMPTS))
        told = [w for w in words(mesh, folder / "out", "distill=[sds,csd]", "seeds=[0,1]") if "prompt=" not in w]
        run([*told, f"prompt_file={folder / 'prompts.txt'}", f"reference={mesh}", "steps=2"])
    return folder / "out"


def rows(page):
    """column -> its cells' (mean, shown text); None where a number is missing."""
    lines = re.findall(r"<tr data-column='(\w[\w.]*)'>(.*?)</tr>", page)
    return {name: re.findall(r"data-mean='([^']*)' data-spread='[^']*'>([^<]*)", line) for name, line in lines}


def test_the_numbers_of_all_three_files_are_equal(report):
    content = json.loads((report / "report.json").read_text())
    shown = rows((report / "index.html").read_text())
    assert [c["name"] for c in content["columns"]] == list(shown)
    for name, cells in shown.items():
        means = [content["table"][v][name]["mean"] for v in content["table"]]
        assert [float(mean) for mean, _ in cells] == [m for m in means if m is not None]
        assert [text.strip() for _, text in cells] == [number(m) for m in means if m is not None]
    with (report / "report.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(content["cells"]) == 8
    for line, cell in zip(lines, content["cells"], strict=True):
        for key in ("variant", "prompt", "seed"):
            assert line[key] == str(cell[key])
        for name in shown:
            value = cell["values"].get(name)
            assert line[name] == (repr(value) if isinstance(value, float) else "")
    table = {(e["variant"], e["column"]): e["mean"] for e in csv.DictReader((report / "table.csv").open())}
    for variant, row in content["table"].items():
        for name, e in row.items():
            assert table[variant, name] == ("" if e["mean"] is None else repr(e["mean"]))
    assert (report / "table.tex").read_text().count(" & ") >= 2 * 10


def test_every_column_is_filled_or_says_why(report):
    content = json.loads((report / "report.json").read_text())
    for variant in content["table"].values():
        for entry in variant.values():
            assert (entry["mean"] is None) == bool(entry["missing"])
    filled = {name for name, entry in content["table"]["sds"].items() if entry["mean"] is not None}
    assert {"seconds_per_step", "seconds", "peak_memory", "janus", "diversity", "chamfer", "f_score", "iou",
            "grad_norm", "gradient_variance", "saturation", "opacity", "fog", "faces",
            "watertight"} <= filled  # fmt: skip


def test_the_page_shows_settings_that_differ_and_only_those(report):
    page = (report / "index.html").read_text()
    part = page[page.index("Settings that differ") : page.index("<h2>All runs")]
    assert "dream3d.distill.sds.sds" in part and "distill.loss.uncond" in part
    assert "distill.time" not in part and "<th>out</th>" not in part


def test_prompts_enter_the_page_as_text(report):
    page = (report / "index.html").read_text()
    for prompt in PROMPTS:
        assert html.escape(prompt) in page
    assert page.count("</script>") == 1 and not re.search(r"(?:src|href)=.?https?:", page)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine to open index.html with")
def test_it_opens_without_complaints_and_plays(report, tmp_path):
    """The page's own script reports each resource it loaded: none but data: ones."""
    probe = """<script>setTimeout(() => console.log('PROBE', JSON.stringify({
      net: performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith('data:')),
      view: getComputedStyle(document.getElementById('turntables')).getPropertyValue('--view'),
      wide: document.documentElement.scrollWidth, turns: document.querySelectorAll('.turn').length,
      sides: document.querySelectorAll('.side').length,
      lines: document.querySelectorAll('polyline').length, sorted: sorted(), shown: shown('csd 1')})), 900);
    function column(i) { return [...document.querySelectorAll('.all tbody tr')].map(r => r.cells[i].textContent); }
    function sorted() {  // by seed up, then down, then by the first number of a run
      const buttons = document.querySelectorAll('.all th button');
      buttons[2].click(); const up = column(2); buttons[2].click(); const down = column(2);
      buttons[3].click();
      const numbers = [...document.querySelectorAll('.all tbody tr')].map(r => +r.cells[3].dataset.value);
      return [up.join(''), down.join(''), numbers.every((n, i) => !i || numbers[i - 1] <= n)];
    }
    function shown(text) {
      const filter = document.getElementById('filter');
      filter.value = text; filter.dispatchEvent(new Event('input'));
      return [...document.querySelectorAll('.all tbody tr')].filter(r => !r.hidden).length;
    }
    </script>"""
    page = tmp_path / "index.html"
    page.write_text((report / "index.html").read_text().replace("</body>", probe + "</body>"))
    done = subprocess.run(
        [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={tmp_path / 'shot.png'}",
         page.as_uri()],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    said = re.findall(r"CONSOLE.*", done.stderr)
    assert len(said) == 1 and "PROBE" in said[0], said
    seen = json.loads(re.search(r"\{.*\}", said[0])[0])
    assert seen["net"] == [] and seen["wide"] <= 1280
    assert int(seen["view"]) > 0  # it has begun to turn
    assert seen["sorted"] == ["00001111", "11110000", True] and 2 <= seen["shown"] <= 4
    assert (seen["turns"], seen["sides"]) == (8, 64) and seen["lines"] >= 4
    picture = np.asarray(Pillow.open(tmp_path / "shot.png").convert("RGB")).astype(int)
    red = (picture[..., 0] > 120) & (picture[..., 0] > picture[..., 1] + 40)
    assert picture.mean() > 200 and len(picture) == 1600 and red.mean() < 0.2
