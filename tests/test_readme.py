"""Every command of the README runs, as small as it goes."""

import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
import trimesh
from pictures import rgba
from small_run import box_file, without_pictures
from tiny import saved, sd

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.split("  #")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.S)
    for line in block.splitlines()
    if line.strip()
]
INSTALL = (
    "python -m venv .venv && . .venv/bin/activate && pip install -c constraints.txt torch==2.13.0 -e . "
    '&& python -m dream3d prompt="a corgi"'
)
TEST = (
    'pip install -c constraints.txt torch==2.13.0 -e ".[dev]" '
    "&& ruff check . && ruff format --check . && pyright && pytest -n 2 --dist loadfile"
)
TINY = ["steps=1", "batch_size=1", "size=16", "threads=1", "device=cpu", "render.samples=16", "render.occupancy=8",
        "mesh.resolution=16", "mesh.size=64", "mesh.faces=200"]  # fmt: skip
TINY_REFINE = ["refine.steps=1", "refine.size=16"]
TINY_GRID = ["refine.field.resolution=8"]  # a lattice, where the stage has one
TINY_TEXTURE = ["texture.steps=1", "texture.size=16"]
ALL_STAGES = ("experiment=magic3d", "experiment=prolificdreamer")
RUNS = [c for c in COMMANDS if re.match(r"python -m dream3d (-|\w+=)", c)] + ['python -m dream3d prompt="a corgi"']


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run, models and a small Stable Diffusion in it."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "my_models").mkdir()
    (folder / "list.txt").write_text("# two\na corgi\na chair seed=2\n")
    trimesh.load(box_file(folder)).export(folder / "chair.glb")
    box_file(folder).rename(folder / "my_models" / "box.ply")
    saved(sd(), folder / "sd")
    rgba().save(folder / "cat.png")
    return folder


def small(words: list[str], place: Path, tmp_path: Path) -> list[str]:
    """The words of a README command with a real folder for each that it only describes, and tiny settings."""
    words = [
        w.replace("outputs/<run>", str(place / "run"))
        .replace("chair.glb", str(place / "chair.glb"))
        .replace("list.txt", str(place / "list.txt"))
        .replace("cat.png", str(place / "cat.png"))
        for w in words
        if not w.startswith(("steps=", "prior.path=", "out="))
    ]
    if any(w.startswith("resume=") for w in words):
        return words
    experiment = any(w.startswith("experiment=") for w in words)
    refine = [] if experiment and not set(words) & set(ALL_STAGES) else TINY_REFINE
    refine = [*refine, *(TINY_GRID if refine and "refine=texture" not in words else [])]
    refine = [*refine, *(TINY_TEXTURE if "experiment=prolificdreamer" in words else [])]
    field = ["field.log2_size=8", "field.levels=2"] if "field=hashgrid" in words else []
    prior = [f"prior.path={place / 'sd'}"] if "prior=folder" in words or "prior=sd21" in words else []
    out = [] if "-m" in words else [f"out={tmp_path / 'out'}"]
    tiny = [t for t in TINY if not (experiment and t.startswith("render."))]
    return [*words, *tiny, *field, *refine, *prior, *out]


def ran(module: str, words: list[str], monkeypatch, folder: Path) -> int:
    """Exit code of ``python -m module words`` in the folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [module, *words])
    try:
        runpy.run_module(module, run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_installation_and_tests_are_what_ci_runs():
    assert COMMANDS[0] == INSTALL and COMMANDS[1] == TEST
    script = (ROOT / ".ci" / "run").read_text()
    pattern = re.search(r"sed -n 's/\^\\\((.*)\\\)\$/", script)
    assert pattern is not None and re.fullmatch(pattern[1].replace("\\[", r"\[").replace("\\]", r"\]"), TEST)


def test_the_readme_is_short_and_its_links_lead_somewhere():
    assert len(README.splitlines()) < 200
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("line", [c for c in RUNS if not re.search("resume|my_prior|edit=", c)])
def test_dream3d_commands_run(line, place, tmp_path, monkeypatch):
    without_pictures(monkeypatch)
    words = small(shlex.split(line)[3:], place, tmp_path)
    assert ran("dream3d", words, monkeypatch, tmp_path) == 0
    assert "--cfg" in words or "--help" in words or list(tmp_path.rglob("mesh.glb"))


def test_resume_and_export(place, monkeypatch):
    without_pictures(monkeypatch)
    words = ["prompt=a corgi", *TINY, *TINY_REFINE, *TINY_GRID, f"out={place / 'run'}"]
    assert ran("dream3d", words, monkeypatch, place) == 0
    for line in (c for c in COMMANDS if "resume=" in c or "dream3d export" in c):
        module, *words = shlex.split(line)[2:]
        words = [w.replace("outputs/<run>", str(place / "run")) for w in words if "resolution=" not in w]
        assert ran(module, words, monkeypatch, place) == 0
    (edit,) = [shlex.split(c)[3:] for c in COMMANDS if "edit=" in c]
    words = [w.replace("outputs/<run>", str(place / "run")) for w in edit]
    words += [*TINY, "edit.vertices=12", "edit.where=all", f"out={place / 'edit'}"]
    assert ran("dream3d", words, monkeypatch, place) == 0
    assert (place / "edit" / "mesh.glb").exists()
    assert (place / "run" / "mesh.ply").exists() and (place / "run" / "mesh.stl").exists()


def test_priors_are_listed(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "python -m dream3d priors" in COMMANDS
    assert ran("dream3d.priors", [], monkeypatch, tmp_path) == 0
    assert "mini" in capsys.readouterr().out


def test_a_prior_of_ones_own(place, monkeypatch):
    pytest.importorskip("numba", reason="the extra 'mini' is not installed")
    without_pictures(monkeypatch)
    monkeypatch.chdir(place)
    (line,) = [c for c in COMMANDS if c.startswith("python scripts/mini/make_prior.py")]
    words = [word if word != "60" else "0.0001" for word in shlex.split(line)[1:]]
    short = ["--decoder-steps", "150", "--fit-steps", "60", "--rows", "16", "--batch", "1", "--workers", "1"]
    monkeypatch.setattr(sys, "argv", [*words, *short])
    runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    (line,) = [c for c in COMMANDS if "prior.path=my_prior" in c]
    words = [w.replace("a chair", "a box") for w in shlex.split(line)[3:]]
    small_run = [*TINY, *TINY_REFINE, *TINY_GRID, f"out={place / 'own'}"]
    assert ran("dream3d", [*words, *small_run], monkeypatch, place) == 0
    assert (place / "own" / "mesh.glb").is_file()
