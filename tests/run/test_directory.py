"""A run's folder: made, undone when the run never begins, found again when it is resumed."""

import time

import pytest
import yaml

from dream3d.cli.overrides import composed
from dream3d.errors import UserError
from dream3d.run.directory import Run, resume, saved_settings, slug, start, undone, write_settings


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
    again = start(composed(["prompt=another", f"out={run.folder}"]))
    with pytest.raises(UserError), undone(again):
        raise UserError("no")
    assert saved_settings(run.folder, "resume").prompt == "a corgi"
    with undone(start(composed(["prompt=another", f"out={run.folder}"]))):
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
    words.append("seed=1")
    with pytest.raises(UserError, match=r"resume: got also seed=1; .*only steps= may change"):
        resume(composed(words), words)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a run's configuration"), ("[1, 2]", "not a run's configuration"),
        ("prompt: [", "cannot be read"),
        ("prompt: a\nsteps: many", "cannot be read.*many"), ("prompt: a\nfoo: 1", "cannot be read.*foo"),
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


def test_stages_add_up_their_time(run):
    for _ in range(2):
        with run.stage("load"):
            time.sleep(0.01)
    assert run.seconds["load"] >= 0.02
