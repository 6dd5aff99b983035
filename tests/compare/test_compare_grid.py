import pytest

from dream3d.compare.grid import axes, cells, digest, label, members
from dream3d.compare.settings import read
from dream3d.errors import UserError
from dream3d.run import config as configuration


def grid(*words):
    return cells(read(["prompt=a corgi", *words]))


def test_a_grid_is_variants_by_prompts_by_seeds():
    found = grid("distill=[sds,csd]", "field=[triplane,voxel]", "prompt=[a corgi,a car]", "seeds=[0,1,2]")
    assert len(found) == 2 * 2 * 2 * 3 == len({c.folder for c in found})
    assert [c.variant for c in found[:4]] == ["sds, triplane", "sds, voxel", "csd, triplane", "csd, voxel"]
    assert {c.settings["distill"]["loss"]["_target_"] for c in found if "csd" in c.variant} == {
        "dream3d.distill.csd.csd"
    }
    assert all((c.settings["prompt"], c.settings["seed"]) == (c.prompt, c.seed) for c in found)


def test_any_setting_is_an_axis():
    found = grid("axis=distill.loss.scale", "values=[1,7.5]")
    assert [c.settings["distill"]["loss"]["scale"] for c in found] == [1, 7.5]
    assert [c.variant for c in found] == ["distill.loss.scale=1", "distill.loss.scale=7.5"]
    two = grid("axis=[distill.loss.scale,optimizer.clip]", "values=[[1,2],[null,3]]")
    assert [(c.settings["distill"]["loss"]["scale"], c.settings["optimizer"]["clip"]) for c in two] == [
        (1, None), (1, 3), (2, None), (2, 3)
    ]  # fmt: skip


def test_a_group_without_values_means_all_its_members():
    chosen = axes(read(["prompt=x", "axis=distill"]))["distill"]
    assert {"sds", "sjc", "vsd", "csd"} < set(chosen)


def test_times_are_shared_unless_they_are_varied_or_wanted():
    sds, sjc = (c.settings["distill"]["time"] for c in grid("distill=[sds,sjc]"))
    assert sds == sjc
    sds, sjc = (c.settings["distill"]["time"] for c in grid("distill=[sds,sjc]", "time=own"))
    assert sds != sjc
    varied = grid("axis=distill.time.min", "values=[0.1,0.3]")
    assert [c.settings["distill"]["time"]["min"] for c in varied] == [0.1, 0.3]


def test_schedules_in_shared_times_are_those_of_the_experiment():
    found = grid("experiment=reconstruct", "prior.path=x.ply", "distill=[sds,csd]", "steps=50")
    assert {c.settings["distill"]["time"]["max"]["finish"] for c in found} == {50}


def test_the_same_settings_find_the_same_folder_and_others_another():
    first, again, other = grid("seeds=[1]"), grid("seeds=[0,1]")[1:], grid("seeds=[1]", "steps=9")
    assert first[0].folder == again[0].folder != other[0].folder
    assert digest({"a": 1}) != digest({"a": 2})


def test_values_must_differ():
    with pytest.raises(UserError, match="different values"):
        grid("distill=[sds,sds]")


def test_labels_name_groups_by_their_members():
    assert label(["distill=sds", "optimizer.lr=0.1"]) == "sds, optimizer.lr=0.1"


def test_losses_of_edits_are_left_out():
    every = {file.stem for file in (configuration.folder() / "distill").glob("*.yaml")}
    assert every - set(members("distill")) == {"dds", "pds", "ssd_edit", "ip2p"}
