"""``edit=``: from a run or a mesh, with a region, to files; stopped and resumed."""

import json
from pathlib import Path

import pytest
import torch
from small_run import SMALL, box_file, differences, rebuild, stopped_after, without_pictures
from tiny import saved, sd

from dream3d.cli.main import command
from dream3d.editing.region import box
from dream3d.run import checkpoint
from dream3d.run.initial_mesh import read_mesh
from dream3d.run.saved import saved_settings

QUICK = [word for word in SMALL if not word.startswith(("field.", "render.", "size=", "prompt="))]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of a box, and the box's mesh and exact prior."""
    folder = tmp_path_factory.mktemp("edits")
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        assert command(rebuild(folder, "steps=12", f"out={folder / 'run'}")) == 0
    return folder


def edit(place: Path, out: str, *more: str) -> list[str]:
    return [f"edit={place / 'run'}", *QUICK, "steps=4", "edit.vertices=12", "turntable=2", f"out={place / out}", *more]


def fields(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(folder / "checkpoint.pt")["state"]["fields"][0]


def live(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k.removeprefix("live."): v for k, v in state.items() if k.startswith("live.")}


def test_where_nothing_is_to_be_edited_nothing_changes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DDS with two texts that the prior takes for the same: every gradient is exactly 0, bit for bit. The run's
    prior, cameras, field and words are taken over."""
    without_pictures(monkeypatch)
    assert command(edit(place, "same", "prompt=a crate", "edit.where=all")) == 0
    before, after = fields(place / "run"), fields(place / "same")
    assert differences(before, live(after)) == []
    assert differences(before, {k.removeprefix("source."): v for k, v in after.items() if "source." in k}) == []
    saved = saved_settings(place / "same", "edit")
    assert saved.source == "a box" and saved.size == 32 and "renders" in saved.prior["_target_"]
    assert (place / "same" / "mesh.glb").is_file()


def test_stopped_and_resumed_is_the_same_bit_for_bit(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)
    more = ("prompt=a crate", "distill=sds", "keep=shape", "edit.where=[-1,-1,0,1,1,1]", "steps=6")
    assert command(edit(place, "straight", *more)) == 0
    assert stopped_after(monkeypatch, edit(place, "halves", *more), 3) == 130
    (place / "run").rename(place / "moved")  # the checkpoint has all it needs
    try:
        assert command([f"resume={place / 'halves'}"]) == 0
    finally:
        (place / "moved").rename(place / "run")
    straight, halves = (checkpoint.load(place / name / "checkpoint.pt") for name in ("straight", "halves"))
    assert differences(straight, halves) == []
    assert differences(live(straight["state"]["fields"][0]), fields(place / "run")), "it was trained"
    rows = (place / "straight" / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == 6 and '"shape"' in rows[-1]


def test_a_mesh_is_carried_into_a_field(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)
    words = [f"edit={box_file(place)}", "source=a box", "prompt=a crate", "prior=renders", "edit.where=all"]
    small = (*SMALL[1:], f"prior.path={box_file(place)}", "prior.resolution=32", "steps=1", f"out={place / 'mesh'}")
    assert command([*words, *small]) == 0
    assert (place / "mesh" / "mesh.glb").is_file()
    assert "carried into the field" in (place / "mesh" / "log.txt").read_text()


def test_a_mesh_that_is_refined_stays_a_mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No coarse stage, the file's own triangles; the source is the same mesh, so that DDS is exactly 0 where the prior
    takes both texts for the same."""
    without_pictures(monkeypatch)
    file = box_file(tmp_path)
    words = [f"edit={file}", "source=a box", "prompt=a crate", "prior=renders", f"prior.path={file}"]
    stage = ("refine=texture", "refine.steps=2", "prior.resolution=32", "edit.where=all", "turntable=0")
    assert command([*words, *stage, *SMALL[1:], f"out={tmp_path / 'kept'}"]) == 0
    state = checkpoint.load(tmp_path / "kept" / "checkpoint.pt")["refine"]["state"]["fields"][0]
    colours = {k.removeprefix("appearance."): v for k, v in state.items() if k.startswith("appearance.")}
    before = {k.removeprefix("source."): v for k, v in colours.items() if k.startswith("source.")}
    assert before and differences(before, live(colours)) == []
    assert torch.equal(state["shape.vertices"], read_mesh(file).vertices)
    assert not (tmp_path / "kept" / "metrics.jsonl").exists() and (tmp_path / "kept" / "region.png").is_file()
    assert json.loads((tmp_path / "kept" / "edit.json").read_text())["iou"] == 1.0


def test_pictures_that_are_edited_on_the_way(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instruct-NeRF2NeRF's loop: stopped and resumed bit for bit, the cache of pictures included; with a tiny prior."""
    without_pictures(monkeypatch)
    torch.manual_seed(0)
    prior = saved(sd(in_channels=8), place / "ip2p")
    more = [
        "experiment=instruct_nerf2nerf", f"prior.path={prior}", "prior.resolution=16", "prompt=a red corgi", "steps=6",
        "edit.dataset.views=4", "edit.dataset.every=2", "edit.dataset.size=16", "edit.dataset.denoise_steps=2",
    ]  # fmt: skip
    assert command(edit(place, "one", *more)) == 0
    assert stopped_after(monkeypatch, edit(place, "two", *more), 3) == 130
    assert command([f"resume={place / 'two'}"]) == 0
    one, two = (checkpoint.load(place / name / "checkpoint.pt") for name in ("one", "two"))
    assert differences(one, two) == []
    data = one["state"]["references"]["dataset"]
    assert (data["pictures"] != data["originals"]).flatten(1).any(1).sum() == 3
    rows = (place / "one" / "metrics.jsonl").read_text().splitlines()
    assert '"dataset_rgb"' in rows[-1] and '"dataset_patch"' in rows[-1]


def test_a_cut_decides_at_the_end_what_is_the_edits(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Huge steps in a box change all of it, and the edit keeps most; small ones change nothing evidently."""
    without_pictures(monkeypatch)
    more = ("prompt=a crate", "distill=sds", "edit.where=[-0.6,-0.6,-0.6,0.6,0.6,0.6]", "edit.cut=true", "turntable=0")
    assert command(edit(place, "cut", *more, "optimizer.lr.start=0.5", "optimizer.lr.end=0.5")) == 0
    after, inside = fields(place / "cut"), box([-0.6] * 3 + [0.6] * 3, 12).flatten()[:, None]
    assert not bool(after["_extra_state"]) and not after["region"][inside == 0].any()
    assert 0.5 < float(after["region"][inside == 1].mean()) <= 1
    assert "graph cut: the edit keeps" in (place / "cut" / "log.txt").read_text()
    assert command(edit(place, "small", *more)) == 0
    assert not fields(place / "small")["region"].any()
    assert "the edit keeps 0.0% of the volume, which is the source again" in (place / "small" / "log.txt").read_text()


def test_the_report_has_figures_and_pictures(place: Path) -> None:
    """Of the edit in a box: the box is half of the cube, and outside it no colour moved."""
    figures = json.loads((place / "straight" / "edit.json").read_text())
    assert figures["region"] == pytest.approx(6 / 12) and figures["colour_outside"] == 0.0
    assert 0 < figures["iou"] <= 1 and figures["colour_inside"] > 0
    assert (place / "straight" / "region.png").is_file() and (place / "straight" / "before_after.gif").is_file()
    assert (place / "straight" / "coarse.glb").is_file()


WRONG = {
    "edit=nowhere prompt=a": "edit: got 'nowhere', expected a run's folder or a file ending in .glb",
    "prompt=a keep=shape": "keep: got shape, but nothing is edited; use edit=",
    "prompt=a distill=dds": "distill: got a loss for edits, expected edit=",
    "edit={run} prompt=a field=voxel": "field: an edit goes on with its source's field",
    "edit={run} prompt=a init=prior": "edit: also got init=prior",
    "edit={box} prompt=a": 'source: got nothing, expected a prompt that describes .*; use source="a chair"',
    "edit={box} source=b prompt=a refine=texture keep=shape": "keep: got shape, which acts on a field",
    "edit={run} prompt=a edit.where=left": "edit.where: got left, expected auto, all or a box",
    "edit={run} prompt=a edit.where=[0,0,0,-1,1,1]": "expected the lower corner first",
    "edit={part} prompt=a": "is an edit of a part.*mesh.glb",
}


@pytest.mark.parametrize("words", WRONG)
def test_mistakes_are_one_line(words: str, place: Path, capsys: pytest.CaptureFixture, monkeypatch) -> None:
    import re

    monkeypatch.chdir(place)
    names = {"run": place / "run", "box": box_file(place), "part": place / "straight"}
    assert command([*words.format(**names).split(), "device=cpu", f"out={place / 'wrong'}"]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and re.search(WRONG[words], error), error
