"""One run by several processes: gradients are averaged, weights stay equal, one folder is written."""

import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from small_run import box_file, rebuild, without_pictures

from dream3d import optimize, seeding
from dream3d.cli.main import command
from dream3d.cli.overrides import composed
from dream3d.errors import UserError
from dream3d.gradients import average
from dream3d.run import checkpoint, parallel, stages
from dream3d.run.build import build, state_of
from dream3d.seeding import generator

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
WORLD = 2


def job(task: Callable[[int], object], folder: Path) -> list[object]:
    """What ``task(rank)`` returns in each process of a job, as torchrun starts it; an exception fails the test."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(WORLD):
        child = os.fork()
        if child == 0:
            os.environ |= {
                "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(WORLD), "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test",
            }  # fmt: skip
            code = 1
            try:
                torch.save(task(rank), folder / f"of-{rank}.pt")
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * WORLD
    return [torch.load(folder / f"of-{rank}.pt") for rank in range(WORLD)]


def in_group(task: Callable[[int], object]) -> Callable[[int], object]:
    def inside(rank: int) -> object:
        torch.distributed.init_process_group("gloo")
        return task(rank)

    return inside


def test_gradients_become_their_mean(tmp_path):
    def task(rank: int) -> list[torch.Tensor | None]:
        weights = [torch.zeros(2), torch.zeros(3, 1), torch.zeros(1)]
        weights[0].grad = torch.tensor([1.0, 2.0]) if rank else torch.tensor([3.0, -2.0])
        weights[1].grad = torch.ones(3, 1) if rank else None
        average(weights)
        return [w.grad for w in weights]

    for first, second, third in job(in_group(task), tmp_path):
        assert torch.equal(first, torch.tensor([2.0, 0.0])) and torch.equal(second, torch.full((3, 1), 0.5))
        assert third is None


def test_processes_draw_streams_of_their_own_but_for_the_occupancy_grid(tmp_path):
    def task(_: int) -> list[torch.Tensor]:
        return [torch.rand(3, generator=seeding.own(1, 2, name)) for name in ("camera", "occupancy")]

    (camera, grid), (other, same) = job(in_group(task), tmp_path)
    alone = torch.rand(3, generator=generator(1, 2, "camera"))
    assert torch.equal(camera, alone) and not torch.equal(camera, other) and torch.equal(grid, same)


def test_all_stop_at_the_highest_signal_and_take_the_first_ones_mesh(tmp_path):
    def task(rank: int) -> tuple[int, str]:
        return parallel.agreed(15 * rank, 3, torch.device("cpu")), parallel.of_first(f"mesh of {rank}")

    assert job(in_group(task), tmp_path) == [(15, "mesh of 0")] * WORLD
    assert parallel.agreed(2, 3, torch.device("cpu")) == 2 and parallel.of_first("mine") == "mine"


def weights_after(words: Sequence[str], patched: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """The state of the fields at the end of a run's last stage."""
    found: dict[str, torch.Tensor] = {}
    train = stages.train

    def noted(run, setup, *args, **more) -> None:
        train(run, setup, *args, **more)
        found.update({f"{run.place.split()[1]} {k}": v.clone() for k, v in setup.fields[0].state_dict().items()})

    patched.setattr(stages, "train", noted)
    assert command(words) == 0
    return found


def test_the_same_views_in_both_are_a_run_of_one(tmp_path, monkeypatch):
    """(g + g) / 2 = g, bit for bit: nothing else differs from a run by one process."""
    without_pictures(monkeypatch)
    small = ("steps=2", "size=16", "refine.steps=1", "refine.size=16", "refine.field.resolution=8")
    words = rebuild(tmp_path, *small, "refine=tets", "refine.field.levels=[4]")
    alone = weights_after([*words, f"out={tmp_path / 'alone'}"], monkeypatch)

    def task(_: int) -> dict[str, torch.Tensor]:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(optimize, "own", generator)
            return weights_after([*words, f"out={tmp_path / 'both'}"], patched)

    for found in job(task, tmp_path):
        assert found.keys() == alone.keys() and any(k.startswith("refine") for k in found)
        assert all(torch.equal(found[k], alone[k]) for k in alone)
    assert (tmp_path / "both/mesh.glb").read_bytes() == (tmp_path / "alone/mesh.glb").read_bytes()


def test_weights_stay_equal_and_the_run_can_be_resumed(tmp_path, monkeypatch):
    without_pictures(monkeypatch)
    out, words = tmp_path / "run", rebuild(tmp_path, "steps=3", "size=16", f"out={tmp_path / 'run'}")

    def task(_: int) -> dict[str, torch.Tensor]:
        with pytest.MonkeyPatch.context() as patched:
            return weights_after(words, patched)

    first, second = job(task, tmp_path)
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
    one = checkpoint.load(out / "checkpoint.pt")
    words = [f"resume={out}", "steps=4"]
    first, second = job(task, tmp_path)
    assert all(torch.equal(first[k], second[k]) for k in first)
    two = checkpoint.load(out / "checkpoint.pt")
    assert (one["step"], two["step"]) == (3, 4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["box.ply", "of-0.pt", "of-1.pt", "run"]
    assert "2 processes: each renders batch_size=" in (out / "log.txt").read_text()


@pytest.mark.parametrize("what", ["prompts_file", "edit.dataset"])
def test_what_keeps_images_or_lists_is_refused(what, tmp_path, monkeypatch):
    words = ["prompts_file=list.txt"]
    if what == "edit.dataset":
        words = [f"edit={box_file(tmp_path)}", "prompt=a box", "experiment=instruct_nerf2nerf"]
    monkeypatch.setenv("LOCAL_RANK", "0")
    message = f"{what}: got a run of several processes"
    with pytest.raises(UserError, match=message), parallel.joined(composed(words), words):
        pass


def test_the_state_shared_is_that_of_fields_and_backgrounds(tmp_path):
    setup = build(composed(rebuild(tmp_path, "background=environment")))

    def task(rank: int) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            for parameter in (*setup.fields[0].parameters(), *setup.backgrounds[0].parameters()):
                parameter.add_(rank)
        parallel.share_weights(setup)
        return {str(i): p.clone() for i, p in enumerate(setup.backgrounds[0].parameters())} | {
            k: v for k, v in state_of(setup)["fields"][0].items() if isinstance(v, torch.Tensor)
        }

    first, second = job(in_group(task), tmp_path)
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
