"""Every way a prior can be missing is named before anything is built; the hub is replaced by a stand-in."""

import shutil
from unittest.mock import MagicMock

import pytest
import tiny
import torch
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

from dream3d.errors import UserError
from dream3d.priors import __main__ as listing
from dream3d.priors.loading import resolve as room
from dream3d.priors.loading.completeness import problems
from dream3d.run import config


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    torch.manual_seed(0)
    return tiny.saved(tiny.sd(), tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


@pytest.fixture
def hub(monkeypatch):
    """A hub that must not be asked, until a test says what it answers."""

    def answer(reply):
        def call(*args, **kwargs):
            if isinstance(reply, Exception):
                raise reply
            return str(reply)

        for name in ("hf_hub_download", "snapshot_download"):
            monkeypatch.setattr(room, name, call)
        monkeypatch.setattr(room, "needed", lambda place: {})

    monkeypatch.setattr(room, "try_to_load_from_cache", lambda *args: None)
    monkeypatch.setattr(room.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(room, "reachable", lambda endpoint: True)
    answer(AssertionError("the network was touched"))
    return answer


def refused(kind):
    return kind("refused", response=MagicMock())


def test_a_whole_folder_has_no_problems(whole, hub):
    assert problems(whole) == []
    assert room.resolve(str(whole), [], offline=False) == whole


def test_first_usable_place_wins(whole, folder, hub):
    assert room.resolve(None, ["/nowhere/at/all", str(folder), str(whole)], offline=True) == folder


def test_a_place_on_this_machine_wins_over_the_hub(whole, hub):
    assert room.resolve(None, ["someone/model", str(whole)], offline=False) == whole


def test_cached_repositories_are_found(whole, hub, monkeypatch):
    monkeypatch.setattr(room, "try_to_load_from_cache", lambda repo, file: str(whole / file))
    assert room.resolve("someone/model", [], offline=True) == whole


def test_downloads_what_is_not_here(whole, hub):
    hub(whole)
    assert room.resolve("someone/model", [], offline=False) == whole


NEEDED = room.needed  # before the fixture above takes its place
FILES = {
    "README.md": 1, "model_index.json": 2, "unet/config.json": 3, "unet/d.safetensors": 9_000_000_000,
    "unet/d.fp16.safetensors": 4_500_000_000, "unet/d.bin": 9_000_000_000, "safety_checker/m.safetensors": 7,
    "tokenizer/vocab.json": 8, "vae/d.safetensors": 300_000_000,
}  # fmt: skip


@pytest.fixture
def listed(monkeypatch):
    """A hub that lists ``FILES``."""
    siblings = [MagicMock(rfilename=name, size=size) for name, size in FILES.items()]
    monkeypatch.setattr(
        room,
        "HfApi",
        lambda: MagicMock(model_info=lambda place, files_metadata: MagicMock(siblings=siblings)),
    )


def test_only_what_a_prior_needs_is_fetched(listed):
    wanted = ["model_index.json", "unet/config.json", "unet/d.fp16.safetensors", "vae/d.safetensors",
              "tokenizer/vocab.json"]  # fmt: skip
    assert room.needed("someone/model") == {name: FILES[name] for name in wanted}


def test_a_full_disk_is_said_before_the_download(listed, hub, whole, monkeypatch, tmp_path):
    hub(whole)
    monkeypatch.setattr(room, "needed", NEEDED)
    monkeypatch.setattr(room.constants, "HF_HUB_CACHE", str(tmp_path / "not" / "yet"))
    monkeypatch.setattr(room.shutil, "disk_usage", lambda folder: MagicMock(free=2e9 if folder == tmp_path else 0))
    with pytest.raises(UserError, match=r"4.8 GB are to be fetched, but .* has 2.0 GB free; .*HF_HOME"):
        room.resolve("someone/model", [], offline=False)
    there = "unet/d.fp16.safetensors"  # a download that was broken off goes on
    monkeypatch.setattr(room, "try_to_load_from_cache", lambda place, name: name if name == there else None)
    assert room.from_hub("someone/model") == (whole, "")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (lambda: refused(GatedRepoError), "licence must be accepted"),
        (lambda: refused(RepositoryNotFoundError), "no such id"),
        (lambda: LocalEntryNotFoundError("offline"), "no network"),
        (lambda: ConnectionError("down"), "no network"),
        (lambda: OSError("disk full"), "disk full"),
    ],
)
def test_hub_failures_are_one_line_with_a_fix(hub, error, words):
    hub(error())
    with pytest.raises(UserError, match=words) as caught:
        room.resolve(None, ["someone/model"], offline=False)
    assert "\n" not in str(caught.value) and "someone/model" in str(caught.value)


def test_without_a_way_to_the_hub_its_client_is_not_started(hub, monkeypatch):
    monkeypatch.setattr(room, "reachable", lambda endpoint: False)
    monkeypatch.setattr(room, "from_hub", None)
    with pytest.raises(UserError, match="someone/model: no network; connect, or give a folder"):
        room.resolve("someone/model", [], False)


def test_offline_never_asks_the_hub(hub):
    with pytest.raises(UserError, match=r"prior\.offline=false"):
        room.resolve(None, ["someone/model", "other/model"], offline=True)


def test_missing_folder_and_foreign_folder(hub, tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        room.resolve(str(tmp_path / "absent"), [], offline=False)
    with pytest.raises(UserError, match=r"no model_index.json"):
        room.resolve(str(tmp_path), [], offline=False)


def test_half_a_download_is_named(folder):
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "cut short" in problems(folder)[0] and str(weights) in problems(folder)[0]
    weights.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "git-lfs pointer" in problems(folder)[0]
    weights.write_bytes(b"")
    assert "empty" in problems(folder)[0]
    weights.unlink()
    assert "has no weights" in problems(folder)[0]


def test_lost_shards_are_named(folder):
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    (folder / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "m-00001-of-00002.safetensors", "b": "m-00002-of-00002.safetensors"}}'
    )
    assert "lacks 2 of 2" in problems(folder)[0]


def test_missing_text_encoder_is_named(folder):
    shutil.rmtree(folder / "text_encoder")
    assert len(problems(folder)) == 1
    assert "text_encoder is listed but the text encoder is missing" in problems(folder)[0]


def test_wrong_class_is_named(folder):
    file = folder / "model_index.json"
    file.write_text(file.read_text().replace("UNet2DConditionModel", "UNet9D"))
    assert "UNet9D" in problems(folder)[0]


def test_the_listing_names_every_prior(whole, hub, monkeypatch):
    named = listing.named_priors(config.folder())
    assert {"mini", "sd15", "sd21", "sdxl", "sd3", "deepfloyd"} <= set(named)
    assert "missing" in listing.line("sd21", named["sd21"]) and "hf download" in listing.line("sd21", named["sd21"])
    assert f"usable   {whole}" in listing.line("mine", [str(whole)])


def broken(folder, how):
    """A folder with one thing wrong; (words of the command line, what the line must say)."""
    file = folder / "model_index.json"
    if how == "half a download":
        weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        return "cut short", "download it again"
    if how == "wrong class":
        file.write_text(file.read_text().replace("UNet2DConditionModel", "UNet9D"))
        return "UNet9D", "upgrade diffusers"
    shutil.rmtree(folder / "text_encoder")
    return "text encoder is missing", "finish the download"


@pytest.mark.parametrize("how", ["half a download", "wrong class", "no text encoder"])
def test_the_command_says_in_one_line_what_a_folder_lacks(folder, how, capsys, monkeypatch, tmp_path):
    from dream3d.cli.main import command

    what, fix = broken(folder, how)
    monkeypatch.chdir(tmp_path)
    assert command(["prior=folder", f"prior.path={folder}", "prompt=a corgi", "out=run"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert what in line and fix in line and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("error", "what", "fix"),
    [
        (lambda: refused(RepositoryNotFoundError), "no such id", "check the spelling"),
        (lambda: refused(GatedRepoError), "licence", "hf auth login"),
        (lambda: LocalEntryNotFoundError("offline"), "no network", "prior.path=<folder>"),
        (None, "offline, so the hub was not asked", "prior.offline=false"),
    ],
)
def test_the_command_says_in_one_line_what_the_hub_did(hub, error, what, fix, capsys, monkeypatch, tmp_path):
    from dream3d.cli.main import command

    if error is not None:
        hub(error())
    monkeypatch.chdir(tmp_path)
    offline = f"prior.offline={'true' if error is None else 'false'}"
    assert command(["prior=folder", "prior.path=some/model", "prompt=a corgi", offline]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "some/model" in line and what in line and fix in line
