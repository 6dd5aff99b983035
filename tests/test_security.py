"""What SECURITY.md promises."""

import ast
from pathlib import Path

import pytest

from dream3d.errors import UserError
from dream3d.priors.loading.components import component_class
from dream3d.priors.loading.single_file import checked

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "dream3d").rglob("*.py"))
FORBIDDEN = {"eval", "exec", "compile", "pickle.load", "pickle.loads", "yaml.load", "yaml.unsafe_load", "os.system",
             "os.popen", "marshal.loads", "joblib.load", "dill.load"}  # fmt: skip
NEVER = {"trust_remote_code": True, "allow_pickle": True, "shell": True, "weights_only": False}


def calls():
    """Every call in the package, its dotted name and its literal keywords."""
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                keywords = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
                yield f"{file.name}:{node.lineno}", ast.unparse(node.func), keywords


def test_nothing_is_loaded_that_can_run_code():
    found = list(calls())
    assert len(found) > 1000
    assert [(where, name) for where, name, _ in found if name in FORBIDDEN] == []
    assert [(where, k) for where, _, k in found if any(k.get(name) is value for name, value in NEVER.items())] == []
    assert [where for where, name, k in found if name == "torch.load" and k.get("weights_only") is not True] == []


@pytest.mark.parametrize("name", ["model.ckpt", "model.bin", "model.pt"])
def test_a_pickled_model_is_refused_by_its_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UserError, match="pickled files can run code"):
        checked(str(tmp_path / name))


def test_a_folder_that_brings_its_own_code_is_refused():
    with pytest.raises(UserError, match="folders that bring their own code are not loaded"):
        component_class("unet", "os", "system")


def test_every_promise_names_the_test_that_holds_it():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = [word.strip("`().,;") for word in text.split() if "tests/" in word]
    assert len(named) >= 4 and all((ROOT / name).is_file() for name in named)
