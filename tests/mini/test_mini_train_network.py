import json
import sys

import pytest
import torch

pytest.importorskip("numba", reason="the extra 'mini' is not installed")
from balls import library, shapes, tiny_mini
from captions import vocabulary
from train_network import arguments, explained, library_of, main, start, train

from dream3d.errors import UserError
from dream3d.priors.mini.pipeline import load_mini


def args(folder, *more: str):
    fixed = ["models", str(folder), "--steps", "4", "--rows", "128", "--batch", "2", "--workers", "1"]
    return arguments(None).parse_args([*fixed, *more])


def test_a_prior_is_whole_and_goes_on_from_its_state(tmp_path, monkeypatch, capsys):
    shapes(tmp_path)
    monkeypatch.setattr("known.STEPS", 1)
    words = vocabulary(library().concepts)
    train(library(), tiny_mini(words), args(tmp_path, "--steps", "2"))
    made = train(library(), tiny_mini(words), args(tmp_path))
    assert made.done == 4 and "goes on after 2 steps" in capsys.readouterr().out
    found = load_mini(tmp_path)
    assert found.unet.config["channels"] == [16, 16, 16] and "globe" in found.tokenizer.get_vocab()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["known"] for line in lines if "known" in line] == [64, 128, 64, 128]
    assert {"network", "base", "painted"} <= set(lines[-1])
    assert (tmp_path / "samples-64.jpg").is_file()


def test_the_default_network_is_the_shipped_one_and_words_are_added(tmp_path):
    torch.manual_seed(0)
    made = start(["ball"], args(tmp_path))
    assert tuple(made.unet.config["channels"]) == (96, 160, 224) and made.unet.config["spread"] == 0.1


def test_errors_are_one_line(tmp_path, monkeypatch, capsys):
    with pytest.raises(UserError, match="check the path"):
        library_of(args(tmp_path))
    monkeypatch.setattr(sys, "argv", ["train_network.py", str(tmp_path), str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        explained(main)
    assert end.value.code == 2 and capsys.readouterr().err.count("\n") == 1
    with pytest.raises(SystemExit) as end:
        explained(lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    assert end.value.code == 130
