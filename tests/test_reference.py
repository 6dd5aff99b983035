"""The API reference builds without a warning and says something of every public function."""

import ast
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

import dream3d

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "dream3d").rglob("*.py"))
# Methods that a framework names and documents: torch.nn.Module, torch.autograd.Function, http.server.
FRAMEWORK = {"forward", "backward", "get_extra_state", "set_extra_state", "state_dict", "load_state_dict", "parameters",
             "modules", "train", "to", "do_GET", "do_POST"}  # fmt: skip
KNOWN = {
    "dream3d.html": ["generate", "Result"],
    "dream3d/optimize.html": ["optimize", "Setup"],
    "dream3d/distill/sds.html": ["2209.14988", "grad = w(t) (eps_hat(x_t; y, t) - noise)"],
    "dream3d/fields/triplane.html": ["Triplane.density"],
    "dream3d/priors/pipeline.html": ["Raises"],
    "dream3d/contracts.html": ["Field", "ScoreModel"],
}


def public(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    """Public functions and classes of a module, methods as ``Class.name``."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield owner + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{node.name}.")


def undocumented(sources: dict[str, str]) -> list[str]:
    """``file: name`` of what is public and has no docstring; a method may have it in any class of the package,
    since a Protocol documents its members once for all classes that have them."""
    found = [(file, *item) for file, text in sources.items() for item in public(ast.parse(text).body)]
    said = {name.split(".")[1] for _, name, node in found if "." in name and ast.get_docstring(node)} | FRAMEWORK
    bare = [(file, name) for file, name, node in found if not ast.get_docstring(node)]
    return [f"{file}: {name}" for file, name in bare if "." not in name or name.split(".")[1] not in said]


def test_every_public_function_has_a_docstring() -> None:
    assert undocumented({str(f.relative_to(ROOT)): f.read_text(encoding="utf-8") for f in PACKAGE}) == []


def test_a_function_without_one_is_found() -> None:
    text = 'def f(): ...\ndef _g(): ...\nclass A:\n    "a"\n    def m(self): ...\n    def forward(self): ...\n'
    assert undocumented({"a.py": text}) == ["a.py: f", "a.py: A.m"]
    assert undocumented({"a.py": text, "b.py": 'class B:\n    "b"\n    def m(self): "Said."'}) == ["a.py: f"]


@pytest.mark.slow
def test_the_reference_builds_without_warnings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dream3d, "__all__", dream3d.__all__)  # restored at the end, as the script adds to it
    script = runpy.run_path(str(ROOT / "scripts/reference.py"))
    assert script["build"](tmp_path) == []
    pages = {str(page.relative_to(tmp_path)): page.read_text(encoding="utf-8") for page in tmp_path.rglob("*.html")}
    files = [f.relative_to(ROOT).with_suffix("") for f in PACKAGE if f.stem not in ("__init__", "__main__")]
    assert {f"{file}.html" for file in files} <= pages.keys()
    assert [(page, word) for page, words in KNOWN.items() for word in words if word not in pages[page]] == []


def test_a_warning_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    script = runpy.run_path(str(ROOT / "scripts/reference.py"))
    monkeypatch.setitem(script["main"].__globals__, "build", lambda out: ["Couldn't import dream3d.x"])
    assert script["main"]([str(tmp_path)]) == 1
    assert capsys.readouterr().err == "reference: Couldn't import dream3d.x\n"
