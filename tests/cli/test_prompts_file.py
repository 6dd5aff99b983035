"""A file of prompts: what its lines mean, one load of the prior, the gallery, going on after a stop."""

import csv
import re

import pytest
from rich.console import Console
from small_run import rebuild, stopped_after, without_pictures

from dream3d.cli.main import command
from dream3d.cli.overrides import composed
from dream3d.cli.prompts_file import Entry, entries, run_file
from dream3d.run.shared_prior import Priors


@pytest.fixture
def place(tmp_path, monkeypatch):
    without_pictures(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words(place, *more):
    """A small run's words, with a file in place of the prompt."""
    small = [word for word in rebuild(place, *more) if not word.startswith("prompt=")]
    return [*small, f"prompts_file={place / 'list.txt'}", f"out={place / 'made'}"]


def test_lines():
    text = (
        "\n  # no\na corgi, it's = [odd]\na car seed=3 distill.loss.scale=7\na b=c d\n box  prior.path='my folder'  \n"
    )
    assert entries(text) == [
        Entry(3, "a corgi, it's = [odd]"),
        Entry(4, "a car", ("seed=3", "distill.loss.scale=7")),
        Entry(5, "a b=c d"),
        Entry(6, "box", ("prior.path='my folder'",)),
    ]


def test_every_line_is_a_run_and_the_gallery_shows_them(place, monkeypatch):
    loads = []
    monkeypatch.setattr(Priors, "__call__", counted(Priors.__call__, loads))
    (place / "list.txt").write_text("# boxes\na <b>box</b>\na box seed=5 steps=3\n")
    assert command(words(place, "steps=2")) == 0
    assert [file.parent.name for file in sorted(place.glob("made/*/mesh.glb"))] == ["001-a-b-box-b", "002-a-box"]
    saved = (place / "made/002-a-box/config.yaml").read_text()
    assert "seed: 5\n" in saved and "steps: 3\n" in saved
    rows = list(csv.DictReader((place / "made/runs.csv").open(encoding="utf-8")))
    assert [row["prompt"] for row in rows] == ["a <b>box</b>", "a box"] and rows[1]["settings"] == "seed=5 steps=3"
    assert all(float(row["seconds"]) > 0 for row in rows)
    page = (place / "made/index.html").read_text(encoding="utf-8")
    assert "a &lt;b&gt;box&lt;/b&gt;" in page and page.count("<figure>") == 2 and '"002-a-box/preview.png"' in page
    assert max(loads) == 1, "the prior was loaded again"


def counted(call, loads):
    def counting(self, config, device):
        prior = call(self, config, device)
        loads.append(self.loads)
        return prior

    return counting


def test_a_stopped_file_goes_on_where_it_was(place, monkeypatch):
    (place / "list.txt").write_text("a box\na box seed=2\n")
    assert stopped_after(monkeypatch, words(place, "steps=4"), 3) == 130
    assert not list(place.glob("made/*/run.json")) and not (place / "made/002-a-box").exists()
    assert command(words(place, "steps=4")) == 0
    first, second = sorted(place.glob("made/*/metrics.jsonl"))
    assert first.read_text().count("\n") == second.read_text().count("\n") == 4
    times = [file.stat().st_mtime_ns for file in sorted(place.glob("made/*/run.json"))]
    assert command(words(place, "steps=4")) == 0
    assert [file.stat().st_mtime_ns for file in sorted(place.glob("made/*/run.json"))] == times


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a box\na box stepz=3\n", r"list\.txt, line 2: got the unknown setting 'stepz'; did you mean steps"),
        ("a box\nseed=3\n", r"list\.txt, line 2: prompt: got an empty text"),
        ("# nothing\n", r"has no prompt in it; write one a line"),
        (None, r"prompts_file: got '.*list\.txt', expected a text file"),
    ],
)
def test_mistakes_are_found_before_anything_runs(text, expected, place, capsys):
    if text is not None:
        (place / "list.txt").write_text(text)
    assert command(words(place)) == 2
    assert re.search(expected, capsys.readouterr().err) and not (place / "made").exists()


def test_a_line_that_fails_does_not_end_the_others(place, capsys):
    (place / "list.txt").write_text(f"a box prior.path={place}/nowhere\na box\n")
    given = words(place, "steps=2")
    with (place / "said").open("w") as file, pytest.raises(Exception, match="1 of 2 prompts failed"):
        run_file(composed(given), given, Console(file=file))
    rows = list(csv.DictReader((place / "made/runs.csv").open(encoding="utf-8")))
    assert "nowhere" in rows[0]["error"] and rows[1]["error"] == "" and rows[1]["seconds"]
