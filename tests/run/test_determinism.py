"""The same bits from the same seed, with one thread and with two."""

import pytest
import torch
from small_run import differences, rebuild, without_pictures

from dream3d.__main__ import command
from dream3d.run import checkpoint
from dream3d.run.determinism import deterministic

STAGE = ("refine=tets", "refine.steps=3", "refine.field.resolution=16", "refine.field.levels=[4]")


@pytest.fixture
def two_threads():
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def gathered() -> torch.Tensor:
    """The gradient of a sum over many picks of few vertices."""
    draw = torch.Generator().manual_seed(0)
    vertices = torch.randn(50, 3, generator=draw).requires_grad_()
    faces = torch.randint(0, 50, (100_000, 3), generator=draw)
    (vertices[faces] * torch.randn(100_000, 3, 3, generator=draw)).sum().backward()
    assert vertices.grad is not None
    return vertices.grad


def test_the_way_back_of_indexing_adds_in_one_order(two_threads):
    with deterministic(torch.device("cpu")):
        first = gathered()
        assert all(torch.equal(first, gathered()) for _ in range(4))
    torch.set_num_threads(1)
    assert torch.equal(first, gathered()), "the order is that of one thread"


def test_it_holds_inside_alone_and_on_a_cpu_alone():
    on = torch.are_deterministic_algorithms_enabled
    with pytest.raises(KeyError), deterministic(torch.device("cpu")):
        assert on() and not torch.utils.deterministic.fill_uninitialized_memory
        raise KeyError
    assert not on() and torch.utils.deterministic.fill_uninitialized_memory
    with deterministic(torch.device("cuda")):
        assert not on()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_seed_gives_the_same_files(tmp_path, monkeypatch, threads):
    without_pictures(monkeypatch)
    a, b = tmp_path / "a", tmp_path / "b"
    for out in (a, b):
        assert command(rebuild(tmp_path, "steps=3", *STAGE, f"threads={threads}", f"out={out}")) == 0
    assert differences(*(checkpoint.load(out / "checkpoint.pt") for out in (a, b))) == []
    for name in ("mesh.glb", "preview.png", "metrics.jsonl", "metrics-refine.jsonl"):
        assert (a / name).read_bytes() == (b / name).read_bytes(), name


DEFAULT = ("prompt=a corgi", "steps=2", "refine.steps=2", "threads=2", "device=cpu", "turntable=0", "mesh.size=512")


@pytest.mark.slow
def test_the_default_command_gives_the_same_bytes_with_two_threads(tmp_path):
    """Coarse stage, refinement, baking and export at their own sizes, where torch does share sums among threads; only
    the steps are few."""
    for name in ("a", "b"):
        assert command([*DEFAULT, f"out={tmp_path / name}"]) == 0
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert {"mesh.glb", "mesh.obj", "mesh.png", "viewer.html", "checkpoint.pt", "metrics-refine.jsonl"} <= set(files)
    for name in set(files) - {"run.json", "config.yaml", "log.txt"}:  # these have the time, the folder, the pace
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
