import re
import sys

from dream3d.cli import doctor


def test_every_line_has_a_state_and_a_fix_where_one_is_needed(capsys):
    assert doctor.command([]) == 0  # the tests run on it
    lines = capsys.readouterr().out.splitlines()
    assert all(re.match(r"(ok|missing|broken)  +\S+  +\S", line) for line in lines)
    assert all(";" in line for line in lines if not line.startswith("ok"))
    told = {line.split()[1] for line in lines}
    assert {"torch", "CUDA", "nerfacc", "tinycudann", "Embree", "memory", "disk", "prior=mini"} - told == set()


def test_a_library_that_does_not_import_is_broken_and_named(monkeypatch, tmp_path):
    (tmp_path / "splinter.py").write_text("raise OSError('libgone.so: cannot open\\nmore')")
    monkeypatch.syspath_prepend(tmp_path)
    found = doctor.imported("splinter", doctor.NEEDED, "pip install splinter")
    assert str(found) == "broken   splinter      does not import (libgone.so: cannot open); pip install splinter"
    assert doctor.imported("nowhere_at_all", doctor.OPTIONAL, "pip").fact == "not installed"


def test_a_broken_installation_fails(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "xatlas", None)  # importing it raises ModuleNotFoundError
    assert doctor.command([]) == 1
    assert re.search(r"broken +xatlas", capsys.readouterr().out)


def test_too_little_memory_and_disk(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "MEMORY", 1e9)
    monkeypatch.setattr(doctor, "DISK", 1e9)
    assert doctor.memory().state == "missing" and "batch_size=1" in doctor.memory().fix
    assert doctor.disk(tmp_path).state == "missing" and "out=<folder>" in doctor.disk(tmp_path).fix


def test_weights_that_are_only_a_pointer(monkeypatch, tmp_path):
    unet = tmp_path / "priors/mini/unet"
    unet.mkdir(parents=True)
    (unet / "diffusion_pytorch_model.safetensors").write_text("version https://git-lfs.github.com/spec/v1")
    monkeypatch.setattr("dream3d.__path__", [str(tmp_path)])
    assert doctor.weights().state == "broken"
