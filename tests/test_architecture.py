"""The laws that keep the code small and readable: arrows, sizes, names, one test a file, shapes checked."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

import jaxtyping
import pytest
import torch

from dream3d.distill.surrogate import distilled

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "dream3d").rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# What a room (or a file beside the rooms) may import from dream3d, besides itself; from the bottom up.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "schedule": set(),
    "seeding": set(),
    "diffusion": set(),
    "types": set(),
    "gradients": {"types", "seeding"},
    "contracts": {"types"},
    "cameras": {"types"},
    "geometry": {"types"},
    "distill": {"types", "contracts", "schedule", "diffusion"},
    "noise": {"types", "seeding"},
    "regularize": {"types"},
    "metrics": {"types", "geometry"},
    "editing": {
        "types", "contracts", "errors", "cameras", "geometry", "diffusion", "distill", "metrics",
        "regularize",  # sums along rays
    },
    "report": {"types"},
    "fields": {"types", "contracts", "schedule", "geometry"},
    "render": {"types", "contracts", "cameras", "geometry"},
    "mesh": {"types", "contracts", "errors", "cameras", "geometry", "render"},
    "prompts": {"types", "contracts", "errors", "cameras"},
    "priors": {"types", "errors", "cameras", "diffusion", "gradients", "geometry"},
    "reference": {"types", "contracts", "errors", "schedule", "cameras", "metrics"},  # its depth: a correlation
    "optimize": {"types", "contracts", "schedule", "cameras", "seeding", "gradients"},
    "run": {
        "types", "contracts", "errors", "schedule", "cameras", "seeding", "gradients", "prompts", "geometry", "fields",
        "render", "mesh", "priors", "optimize", "noise", "editing", "reference", "report",
    },
    "watch": {"report", "run"},
    "cli": {
        "types", "contracts", "errors", "schedule", "geometry", "fields", "mesh", "priors", "report", "run", "watch",
    },
    "export": {"cli"},
    "api": {"types", "contracts", "cli", "run"},
    "compare": {
        "types", "errors", "cameras", "seeding", "geometry", "metrics", "render", "mesh", "priors", "optimize",
        "report", "run", "cli",
    },
    "__main__": {"cli"},
}  # fmt: skip
EXCEPTIONS = {
    ("priors/renders.py", "render"): "the exact prior of renders has to render",
    ("priors/renders.py", "mesh"): "and to read meshes",
    ("priors/__main__.py", "run"): "a command",
    ("watch/__main__.py", "cli"): "another spelling of a command",
}
IMAGES, PRIORS = {"fields", "render", "mesh"}, {"priors", "distill"}
BOTH_SIDES = {"optimize", "run", "cli", "compare", "priors/renders.py"}

FORBIDDEN_NAME = re.compile(r"^Base[A-Z]|Trainer$|(^|_)(utils?|helpers?|manager)($|_)", re.IGNORECASE)
TEXT = {".py", ".md", ".yaml", ".toml", ".json", ".html", ".txt", ".sh", ""}
MACHINES = [
    a + b for a, b in (("/wo", "rk/"), ("/tmp/", "env"), ("/ro", "ot/"), ("python", "hosted"), ("py", "pi.org"))
]


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imports(file: Path) -> Iterator[str]:
    """The rooms of dream3d that a file imports from, wherever in it."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dream3d":
            parts = (node.module or "").split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("dream3d."))


def modules(file: Path) -> Iterator[str]:
    """Everything a file imports, as dotted names; names that may be modules or not are both listed."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT / "dream3d"))


def room_of(file: Path) -> str:
    return name_of(file).split("/")[0].removesuffix(".py")


def functions(file: Path) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(tree(file)) if isinstance(node, ast.FunctionDef))


def length(node: ast.FunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_arrows_point_one_way() -> None:
    wrong = []
    for file in PACKAGE:
        room = room_of(file)
        if room in MAY_IMPORT:
            for other in sorted(set(imports(file)) - MAY_IMPORT[room] - {room}):
                if (name_of(file), other) not in EXCEPTIONS:
                    wrong.append(f"{name_of(file)} imports {other}")
    assert wrong == []


def test_rooms_are_acyclic() -> None:
    """Rooms can be put in an order in which each imports only those before it; all rooms are listed."""
    assert {room_of(f) for f in PACKAGE} - {"__init__"} == MAY_IMPORT.keys()
    seen: set[str] = set()
    for room, others in MAY_IMPORT.items():
        assert others <= seen, f"{room} may import {others - seen}, which come later in the list"
        seen.add(room)


def test_only_the_loop_and_what_drives_it_see_both_sides() -> None:
    both = {f for f in PACKAGE if set(imports(f)) & IMAGES and (set(imports(f)) | {room_of(f)}) & PRIORS}
    both = {name_of(f) for f in both if not {room_of(f), name_of(f)} & BOTH_SIDES}
    assert both == set()


def test_no_import_circle() -> None:
    """Files can be put in an order in which each knows only those before it."""
    files = {".".join(f.relative_to(ROOT).with_suffix("").parts): f for f in PACKAGE}
    edges = {name: {m for m in modules(file) if m in files} for name, file in files.items()}
    while leaves := [name for name, others in edges.items() if not others & edges.keys()]:
        for name in leaves:
            del edges[name]
    assert edges == {}


def test_files_are_small() -> None:
    lines = {f: len(f.read_text(encoding="utf-8").splitlines()) for f in (*PACKAGE, *SCRIPTS, *TESTS)}
    assert [str(f) for f, n in lines.items() if n > 300] == []
    assert median(lines[f] for f in PACKAGE if lines[f]) <= 120
    assert len([f for f in (ROOT / "dream3d").glob("*.py") if not f.stem.startswith("__")]) <= 10


def test_functions_are_small() -> None:
    lengths = {(name_of(f), node.name): length(node) for f in PACKAGE for node in functions(f)}
    assert [where for where, n in lengths.items() if n > 70] == []
    assert sum(n <= 30 for n in lengths.values()) >= 0.9 * len(lengths)


def test_names_say_what_a_thing_is() -> None:
    named = [f.stem for f in (*PACKAGE, *SCRIPTS)]
    for file in (*PACKAGE, *SCRIPTS):
        named += [n.name for n in ast.walk(tree(file)) if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    assert [name for name in named if FORBIDDEN_NAME.search(name)] == []
    assert all(FORBIDDEN_NAME.search(name) for name in ("BaseField", "SDSTrainer", "utils", "mesh_helpers"))


def test_code_keeps_the_rules() -> None:
    """No catch-all keywords in public functions, no nan_to_num, no postponed annotations, no print."""
    wrong = []
    for file in PACKAGE:
        where = name_of(file)
        for node in functions(file):
            if node.args.kwarg and not node.name.startswith("_"):
                wrong.append(f"{where}: {node.name}(**{node.args.kwarg.arg})")
        names = [n.id for n in ast.walk(tree(file)) if isinstance(n, ast.Name)]
        names += [f".{n.attr}" for n in ast.walk(tree(file)) if isinstance(n, ast.Attribute)]
        names += [n.module or "" for n in ast.walk(tree(file)) if isinstance(n, ast.ImportFrom)]
        wrong += [f"{where}: {bad}" for bad in (".nan_to_num", ".nan_to_num_", "__future__", "print") if bad in names]
    assert wrong == []


def test_a_module_says_what_it_is() -> None:
    files = [f for f in (*PACKAGE, *SCRIPTS) if f.read_text(encoding="utf-8").strip()]
    assert [str(f) for f in files if not ast.get_docstring(tree(f))] == []


def test_shapes_are_checked_in_this_run() -> None:
    """If this fails, --jaxtyping-packages is off and no annotation means anything."""
    with pytest.raises(jaxtyping.TypeCheckError):
        distilled(torch.zeros(2, 3), torch.zeros(3, 2))


def test_where_is_the_sds_equation() -> None:
    source = (ROOT / "dream3d/distill/sds.py").read_text()
    (function,) = (node for node in functions(ROOT / "dream3d/distill/sds.py") if node.name == "sds")
    formula = ast.get_docstring(function) or ""
    assert len(source.splitlines()) < 60
    assert "2209.14988" in formula and "grad = w(t) (eps_hat(x_t; y, t) - noise)" in formula


def test_a_loss_fits_on_a_screen() -> None:
    files = (ROOT / "dream3d/distill").glob("*.py")
    assert [f.name for f in files if len(f.read_text().splitlines()) > 80 and f.name != "vsd.py"] == []


def test_the_text_names_no_machine() -> None:
    places = [ROOT / name for name in ("dream3d", "conf", "scripts", "tests", "docs", ".ci")]
    files = [f for place in places for f in place.rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    files += [f for f in ROOT.iterdir() if f.suffix in {".md", ".toml"}]
    wrong = []
    for file in files:
        if file.suffix in TEXT and file.stat().st_size < 1_000_000:
            text = file.read_text(encoding="utf-8", errors="replace")
            wrong += [f"{file.relative_to(ROOT)}: {machine}" for machine in MACHINES if machine in text]
    assert len(files) > 100
    assert wrong == []


def nodes(kind: type[ast.AST]) -> Iterator[tuple[Path, ast.AST]]:
    for file in PACKAGE:
        yield from ((file, node) for node in ast.walk(tree(file)) if isinstance(node, kind))


def test_types_say_what_is_meant():
    """``Any`` and names looked up at run time hide contracts: few places, each for a library without types."""
    anys = [(file, node.lineno) for file, node in nodes(ast.Name) if node.id == "Any"]
    by_name = [(file, node.lineno) for file, node in nodes(ast.Name) if node.id in ("getattr", "hasattr")]
    assert len({*anys}) < 60, sorted(anys)
    assert len(by_name) < 10, by_name
