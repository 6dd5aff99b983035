import pytest
from transformers import AutoTokenizer

from dream3d.compare.__main__ import command
from dream3d.compare.grid import cells
from dream3d.compare.judging import concept_of
from dream3d.compare.settings import groups, prompts, read
from dream3d.errors import UserError
from dream3d.metrics import judge as judges
from dream3d.priors.loading.resolve import EMBEDDED
from dream3d.priors.mini.colours import COLOURS, STYLES
from dream3d.priors.mini.words import concepts_of, normalised, prompt_warnings

KNOWN = concepts_of(EMBEDDED) or {}
VOCABULARY = set(AutoTokenizer.from_pretrained(EMBEDDED / "tokenizer").get_vocab())
OPEN = ("open_single", "open_surroundings", "open_multiple")


def of(name):
    return groups(read([f"benchmark={name}"]).settings)


@pytest.mark.parametrize("prompt", [p for group in of("mini40").values() for p in group])
def test_the_embedded_prior_and_the_judge_know_every_word_of_mini40(prompt):
    """One thing a prompt, nothing that has no effect (``an`` would be one), and a class of the judge."""
    assert prompt_warnings(prompt, KNOWN, VOCABULARY) == []
    assert set(normalised(prompt).split()) <= VOCABULARY
    assert concept_of(prompt, list(KNOWN)) in judges.load().concepts


def test_mini40_has_objects_colours_and_styles():
    found = of("mini40")
    assert {name: len(group) for name, group in found.items()} == {"objects": 20, "colours": 12, "styles": 8}
    assert all(set(p.split()) & set(COLOURS) for p in found["colours"])
    assert all(any(style in p for style in STYLES) for p in found["styles"])
    assert not any(set(p.split()) & set(COLOURS) for p in found["objects"] + found["styles"])


def test_the_open_lists_are_of_ninety_different_prompts_and_add_up():
    lists = [of(name) for name in OPEN]
    assert [sum(map(len, found.values())) for found in lists] == [30, 30, 30]
    together = prompts(read([f"benchmark=[{','.join(OPEN)}]"]).settings)
    assert len(together) == 90 == len(set(together))
    planned = cells(read([f"benchmark=[{','.join(OPEN)}]", "distill=[sds,vsd]", "prior=sd21"]))
    assert len(planned) == 180 and {c.settings["prompt"] for c in planned} == set(together)


def test_a_benchmark_brings_its_budget_and_the_command_has_the_last_word():
    assert {c.settings["steps"] for c in cells(read(["benchmark=mini40"]))} == {100}
    assert {c.settings["turntable"] for c in cells(read(["benchmark=mini40"]))} == {0}
    assert {c.settings["steps"] for c in cells(read(["benchmark=mini40", "steps=7"]))} == {7}


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
        ("seeds=[1,1]", "distinct whole numbers"),
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
        ("seeds=[-1]", "seeds: got -1, expected a whole number from 0 to"),
        ("seeds=[18446744073709551616]", "seeds"),
        ("seeds=null", "seeds"),
        ("workers=0", "workers: got 0, expected a whole number from 1 to 1024"),
        ("workers=1.5", "workers"),
        ("noise_samples=1", "from 2 to 4096"),
        ("noise_at=[1.5]", "noise_at: got 1.5, expected a number from 0 to 0.999"),
        ("noise_at=[nan]", "noise_at: got nan"),
        ("picture=100000", "from 16 to 2048"),
        ("export=foo", "export: got foo, expected gpteval3d or t3bench"),
        ("export={a: 1}", "export"),
        ("export_views=0", "from 1 to 3600"),
        ("export_size=-3", "from 16 to 4096"),
        ("runs=[]", "runs: got [], expected text"),
        ("collect=[]", "collect: got []"),
        ("out=", "out: got ''"),
        ("axis={a: 1}", "axis: got {'a': 1}"),
        ("benchmark=[]", "benchmark: got []"),
        ("shard=9/8", "shard: got 9 of 8"),
        ("shard=x", "shard: got 'x'"),
        ("retyr=true", "did you mean retry?"),
        ("estimate_only=perhaps", "estimate_only"),
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
