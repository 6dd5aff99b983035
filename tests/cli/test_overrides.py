"""Words of the command line: texts stay texts, and what is right is not refused."""

import pytest

from dream3d.cli.main import by_hydra
from dream3d.cli.overrides import composed


@pytest.mark.parametrize(
    "text",
    [
        "a corgi, sitting",
        "it's a (small) dog",
        "[a] {corgi}: b=c",
        'a "red" car',
        "5",
        "C:\\corgi\\",
        "~a",
        "ein Käse",
    ],
)
def test_a_prompt_is_text_whatever_is_in_it(text):
    assert composed([f"prompt={text}"]).prompt == text
    assert composed([f"negative={text}", f"out=/tmp/{text}"]).out == f"/tmp/{text}"


@pytest.mark.parametrize("text", ["a corgi " * 400, "犬" * 200, "a/" * 300])
def test_a_prompt_may_be_as_long_as_it_likes(text, capsys, monkeypatch):
    from dream3d.run.directory import slug

    monkeypatch.setattr("sys.argv", ["dream3d"])
    assert composed([f"prompt={text}", f"negative={text}"]).negative == text
    assert by_hydra(["--cfg", "job", f"prompt={text}"]) == 0 and "Traceback" not in capsys.readouterr().err
    assert len(slug(text)) <= 40


def test_quotes_and_null_keep_their_meaning():
    config = composed(['prompt="a corgi"', "out=null", "negative='b'"])
    assert (config.prompt, config.out, config.negative) == ("a corgi", None, "b")


def test_what_is_right_is_not_refused():
    words = [
        "prompt=a", "distill.loss.scale={_target_: dream3d.schedule.Constant, value: 3.0}", "mesh.isovalue=5",
        "camera.distance=[2,3]", "prompts.views=null", "~regularize.opacity", "optimizer.clip=1.0",
        "+field.decoder.activation.extra=1", "distill.loss.scale=7", "hydra.verbose=false",
    ]  # fmt: skip
    config = composed(words)
    assert config.distill.loss.scale == 7 and "opacity" not in config.regularize and config.mesh.isovalue == 5


def test_a_number_or_another_schedule_takes_the_place_of_a_schedule() -> None:
    other = "distill.time.min={_target_: dream3d.schedule.Piecewise, values: [0.7, 0.02], steps: [9]}"
    settings = composed(["prompt=x", "optimizer.lr=0.01", "regularize.opacity.weight=0", other])
    assert settings.optimizer.lr == {"_target_": "dream3d.schedule.Constant", "value": 0.01}
    assert settings.regularize.opacity.weight.value == 0
    assert set(settings.distill.time.min) == {"_target_", "values", "steps"}


def test_another_function_stays_partial() -> None:
    settings = composed(["prompt=x", "distill.loss.weight={_target_: dream3d.distill.weight.uniform}"])
    assert settings.distill.loss.weight == {"_target_": "dream3d.distill.weight.uniform", "_partial_": True}
