import os
import pickle

import pytest
import torch

from dream3d.errors import UserError
from dream3d.run import checkpoint


class Bomb:
    def __reduce__(self):
        return (os.system, ("touch exploded",))


def test_round_trip(tmp_path):
    checkpoint.save(tmp_path / "c.pt", {"step": 3, "x": torch.arange(4)})
    content = checkpoint.load(tmp_path / "c.pt")
    assert content["step"] == 3 and torch.equal(content["x"], torch.arange(4))
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]


def test_a_pickle_bomb_is_refused_and_does_not_go_off(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"version": 1, "x": Bomb()}, tmp_path / "c.pt")
    with pytest.raises(UserError, match="objects other than tensors"):
        checkpoint.load(tmp_path / "c.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UserError):
        checkpoint.load(tmp_path / "plain.pt")
    assert not (tmp_path / "exploded").exists()


def test_missing_truncated_corrupt_and_foreign_files_are_named(tmp_path):
    file = tmp_path / "c.pt"
    with pytest.raises(UserError, match="no checkpoint"):
        checkpoint.load(file)
    checkpoint.save(file, {"x": torch.zeros(1000)})
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="damaged"):
        checkpoint.load(file)
    file.write_bytes(b"\x00" * 100)
    with pytest.raises(UserError):
        checkpoint.load(file)
    torch.save({"version": 99}, file)
    with pytest.raises(UserError, match="expected version"):
        checkpoint.load(file)
