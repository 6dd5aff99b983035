"""The notebook's cells run from top to bottom, on a small run in place of each."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from small_run import SMALL, box_file

import dream3d

FILE = Path(__file__).parents[1] / "docs" / "notebooks" / "quickstart.ipynb"
NOTEBOOK = json.loads(FILE.read_text(encoding="utf-8"))
CODE = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
QUICK = [word for word in SMALL if not word.startswith(("prompt=", "mesh.faces="))]


def test_it_is_a_notebook_without_outputs() -> None:
    assert NOTEBOOK["nbformat"] == 4 and len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    assert all(cell["outputs"] == [] for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code")
    assert NOTEBOOK["metadata"]["kernelspec"]["name"] == "python3" and "colab" in NOTEBOOK["metadata"]


def test_its_cells_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    real, displayed, prior = dream3d.generate, [], box_file(tmp_path)

    def small(prompt, overrides=(), refine=None, **others):
        more = [*QUICK, *overrides, "experiment=reconstruct", f"prior.path={prior}", "prior.resolution=32",
                "turntable=0", "steps=3"]  # fmt: skip
        return real(prompt, overrides=more, refine="none", **others)

    shown = ModuleType("IPython.display")
    for name in ("Image", "HTML"):
        setattr(shown, name, lambda *words, **named: SimpleNamespace(words=words, **named))
    shown.display = displayed.append
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    monkeypatch.setattr(dream3d, "generate", small, raising=False)
    names: dict = {}
    for source in CODE:
        plain = "\n".join(line.replace("%pip", "pass  #") for line in source.splitlines())
        exec(compile(plain, str(FILE), "exec"), names)
    assert len(names["losses"]) == 3 and len(names["chairs"]) == 2 and names["priors"].loads == 1
    assert len(displayed) == 4 and "iframe" in displayed[1].words[0]
