import pytest

from dream3d.compare.__main__ import command
from dream3d.compare.settings import prompts, read
from dream3d.errors import UserError


def test_words_are_told_apart():
    request = read(
        ["prompt=a corgi, sitting", "distill=[sds,csd]", "seeds=[3,1]", "steps=7", "camera.azimuth=[-90,90]",
         "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    )  # fmt: skip
    assert request.settings.seeds == [3, 1]
    assert request.axes == {"distill": ["sds", "csd"]}
    assert request.launcher == ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert request.words[-2:] == ("steps=7", "camera.azimuth=[-90,90]")  # after the short budget, so they win
    assert request.words[0].startswith("steps=")
    assert prompts(request.settings) == ["a corgi, sitting"]


def test_prompts_come_from_lists_files_and_benchmarks(tmp_path):
    (tmp_path / "list.txt").write_text("# mine\na car\n\na corgi\n")
    request = read(["prompt=[a cat,a car]", f"prompt_file={tmp_path / 'list.txt'}"])
    assert prompts(request.settings) == ["a cat", "a car", "a corgi"]
    forty = prompts(read(["benchmark=mini40"]).settings)
    assert len(forty) == 40 == len(set(forty))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("seeds=[1,1]", "different whole numbers"),
        ("seeds=[a]", "seeds"),
        ("time=never", "shared or own"),
        ("benchmark=none40", "mini40"),
        ("distill=[sds,foo]", "foo"),
        ("axis=distill.loss.scale", "values=[1,5,10]"),
        ("values=[1,2]", "one list of values for each axis"),
        ("runs=[/nowhere]", "/nowhere"),
        ("reference=/nowhere.glb", "does not exist"),
        ("clip=/nowhere", "CLIP"),
        ("hydra/launcher=submitit_slurm", "hydra-submitit-launcher"),
        ("stepps=3", "stepps"),
        ("nonsense", "key=value"),
    ],
)
def test_mistakes_end_in_one_line_and_code_2(word, said, capfd, tmp_path):
    try:
        import hydra_plugins.hydra_submitit_launcher  # noqa: F401
    except ImportError:
        pass
    else:
        if "submitit" in word:
            pytest.skip("the submitit launcher is installed")
    assert command(["prompt=a corgi", f"out={tmp_path}", word]) == 2
    line = capfd.readouterr().err
    assert line.count("\n") == 1 and line.startswith("dream3d: error: ") and said in line
    assert list(tmp_path.iterdir()) == []


def test_an_empty_prompt_is_refused():
    with pytest.raises(UserError, match="prompt: got an empty text"):
        prompts(read([]).settings)
