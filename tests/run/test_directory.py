"""A run's folder: made, undone when the run never begins, found again when it is resumed."""

import time

import pytest
import yaml
from omegaconf import OmegaConf

from dream3d.cli.overrides import composed
from dream3d.errors import UserError
from dream3d.run import config as configuration
from dream3d.run.directory import (
    LEFTOVERS,
    PRODUCTS,
    Run,
    check_begun,
    clear,
    resume,
    slug,
    start,
    undone,
    write_settings,
)
from dream3d.run.saved import foreign, saved_settings


@pytest.fixture
def run(tmp_path) -> Run:
    made = start(composed(["prompt=a corgi", "steps=7", f"out={tmp_path / 'deep/run'}"]))
    write_settings(made)
    return made


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A red car!", "a-red-car"),
        ("../../etc", "etc"),
        ("  ", "run"),
        ("größe", "gr-e"),
        ("x" * 99, "x" * 40),
    ],
)
def test_names_are_safe(prompt, name):
    assert slug(prompt) == name


def test_without_out_it_is_named_after_time_and_prompt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = start(composed(["prompt=a corgi"]))
    stamp, _, rest = made.folder.name.partition("-a-")
    assert made.folder.parent.name == "outputs" and rest == "corgi" and time.strptime(stamp, "%Y%m%d-%H%M%S")


def test_what_was_made_is_undone_and_nothing_else(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/note.txt").write_text("keep me")
    for out in ("mine", "mine/a/b", "new/c"):
        before = sorted(tmp_path.rglob("*"))
        made = start(composed(["prompt=a", f"out={tmp_path / out}"]))
        assert sorted(tmp_path.rglob("*")) != before
        with pytest.raises(KeyboardInterrupt), undone(made):
            raise KeyboardInterrupt
        assert sorted(tmp_path.rglob("*")) == before


def test_an_earlier_run_survives_a_failed_setup_and_a_good_one_stays(run):
    words = ["prompt=another", f"out={run.folder}"]
    (run.folder / "checkpoint.pt").touch()
    with pytest.raises(UserError, match=r"contains an interrupted run; use resume=.*overwrite=true.*another folder"):
        start(composed(words))
    (run.folder / "run.json").write_text("{}")
    with pytest.raises(UserError, match="contains a finished run"):
        start(composed(words))
    words.append("overwrite=true")
    again = start(composed(words))
    with pytest.raises(UserError), undone(again):
        raise UserError("no")
    assert saved_settings(run.folder, "resume").prompt == "a corgi"
    with undone(start(composed(words))):
        pass
    assert run.folder.is_dir()


def test_the_settings_come_back_with_their_types_and_only_steps_changes(run):
    words = [f"resume={run.folder}"]
    back = resume(composed(words), words).settings
    assert back == yaml.safe_load((run.folder / "config.yaml").read_text())
    assert (back.prompt, back.steps, back.optimizer.lr.finish) == ("a corgi", 7, 7)
    words.append("steps=9")
    longer = resume(composed(words), words).settings
    assert (longer.steps, longer.optimizer.lr.finish) == (9, 7)
    words += ["mesh.faces=99", "turntable=0"]
    changed = resume(composed(words), words).settings
    assert (changed.mesh.faces, changed.turntable, changed.steps, changed.mesh.size) == (99, 0, 9, back.mesh.size)
    words.append("seed=1")
    with pytest.raises(UserError, match=r"resume: also got seed; .*keeps its settings, except steps.*mesh"):
        resume(composed(words), words)


def test_a_later_stage_may_change_until_it_begins(run):
    words = [
        f"resume={run.folder}",
        "refine=flexicubes",
        "refine.steps=50",
        "refine@texture=texture",
        "mesh.light=null",
    ]
    changed = resume(composed(words), words)
    now = changed.settings
    assert now.refine.field._target_.endswith("flexicubes") and now.refine.steps == now.refine.lr.finish == 50
    assert now.texture.steps == now.texture.lr.finish > 0 and now.mesh.light is None
    assert now.refine.size == now.size == 64, "references lead to the run's own settings"
    coarse = {"step": 7, "state": {}}
    check_begun(changed, coarse)
    with pytest.raises(UserError, match=r"resume: got refine, but the checkpoint is past the beginning of refine"):
        check_begun(changed, {**coarse, "refine": {"step": 0}})
    words = [words[0], "refine.steps=9"]
    shorter = resume(composed(words), words)
    check_begun(shorter, {**coarse, "refine": {"step": 0}})
    with pytest.raises(UserError, match=r"got refine\.steps, but"):
        check_begun(shorter, {**coarse, "refine": {"step": 0}, "texture": {"step": 0}})
    words = [*words, "steps=8"]
    again = resume(composed(words), words)  # a longer coarse stage, and then both anew
    check_begun(again, {**coarse, "refine": {"step": 0}, "texture": {"step": 0}})
    for word in ("refine=null", "refine.steps=-1", "+refine.bogus=3", "texture.steps=5"):
        with pytest.raises(UserError):
            wrong = resume(composed([words[0], word]), [words[0], word])
            check_begun(wrong, coarse)


def test_what_conf_names_is_what_a_saved_run_may_name():
    trees = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in configuration.folder().rglob("*.yaml")]
    assert list(foreign(trees)) == []


@pytest.mark.parametrize(
    "target",
    ["os.system", "dream3d.run.stages.run", "dream3d.priors.loading.resolve.shutil.rmtree", "torch.load", "dream3d", 3],
)
def test_a_saved_run_may_not_name_code_outside_what_runs_are_made_of(run, target):
    saved = OmegaConf.load(run.folder / "config.yaml")
    saved.regularize.opacity.loss = {"_target_": target, "_partial_": True}
    OmegaConf.save(saved, run.folder / "config.yaml")
    with pytest.raises(UserError, match="refers to code outside dream3d"):
        saved_settings(run.folder, "resume")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not the configuration of a run"), ("[1, 2]", "not the configuration of a run"),
        ("prompt: [", "cannot be read"),
        ("prompt: a\nsteps: many", "cannot be read.*many"),
        ("prompt: a\nfield: 3", "cannot be read|expected settings"),
        ("prompt: a\nfoo: 1", "cannot be read.*foo"),
        ("\x00\x01", "cannot be read"), ("prompt: ${", "cannot be read|prompt"),
    ],
)  # fmt: skip
def test_a_damaged_configuration_is_named(run, text, said):
    (run.folder / "config.yaml").write_text(text)
    words = [f"resume={run.folder}"]
    with pytest.raises(UserError, match=said):
        resume(composed(words), words)


def test_an_unwritable_place_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=r"out: got .*cannot be written.*choose another folder"):
        start(composed(["prompt=a", f"out={tmp_path / 'file'}"]))
    (tmp_path / "dir/config.yaml").mkdir(parents=True)
    with pytest.raises((UserError, OSError)):
        write_settings(start(composed(["prompt=a", f"out={tmp_path / 'dir'}"])))


def test_files_that_no_run_made_are_not_written_over(tmp_path):
    names = ("mesh.glb", "mesh.blend", "metrics-of-mine.csv", "turntable.psd")
    for name in names:
        (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=r"contains mesh\.glb, which no run made; use overwrite=true"):
        start(composed(["prompt=a", f"out={tmp_path}"]))
    start(composed(["prompt=a", f"out={tmp_path}", "overwrite=true"]))
    clear(tmp_path, PRODUCTS)
    assert {path.name for path in tmp_path.iterdir()} == {*names[1:], "config.yaml"}


def test_stages_add_up_their_time(run):
    for _ in range(2):
        with run.stage("load"):
            time.sleep(0.01)
    assert run.seconds["load"] >= 0.02


def test_leftovers_of_killed_writers_are_cleared_and_nothing_else(tmp_path):
    kept = ["mesh.glb", "notes.partial.txt", "particle-1/mesh.glb"]
    left = [".checkpoint.7.partial.pt", ".preview.12.partial.png", "checkpoint.partial", "particle-1/.mesh-x/mesh.glb"]
    for name in (*kept, *left):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    clear(tmp_path, LEFTOVERS)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()) == sorted(kept)
    clear(tmp_path, PRODUCTS)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["notes.partial.txt"]
