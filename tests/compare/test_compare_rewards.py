"""ImageReward and HPS by stand-ins with the interfaces of their packages, which need weights of gigabytes."""

import sys
from types import SimpleNamespace

import pytest
import torch

from dream3d.compare import clip as clips
from dream3d.compare.rewards import hps, image_reward
from dream3d.errors import UserError


class Model(torch.nn.Module):
    """open_clip's interface: pictures of 8 x 8 are embedded as their mean colour, texts by their length."""

    def __init__(self):
        super().__init__()
        self.visual = SimpleNamespace(image_size=(8, 8))

    def encode_image(self, x):
        assert x.shape[2:] == (8, 8)
        std, mean = (torch.tensor(v) for v in (clips.CLIP_STD, clips.CLIP_MEAN))
        return x.mean(dim=(2, 3)) * std + mean

    def encode_text(self, tokens):
        return torch.nn.functional.one_hot(tokens[:, 0] % 3, 3).float()


@pytest.fixture
def open_clip(monkeypatch, tmp_path):
    """Installed, and a file of weights."""
    calls = []

    def create(name, pretrained, device):
        calls.append((name, pretrained))
        if name == "ViT-wrong":
            raise RuntimeError("Error(s) in loading state_dict")
        return Model(), None, None

    module = SimpleNamespace(
        create_model_and_transforms=create,
        get_tokenizer=lambda name: lambda captions: torch.tensor([[len(c)] for c in captions]),
        calls=calls,
    )
    monkeypatch.setitem(sys.modules, "open_clip", module)
    (tmp_path / "weights.pt").write_bytes(b"x")
    return module, tmp_path / "weights.pt"


def test_open_clip_by_name_and_file(open_clip):
    module, file = open_clip
    clip = clips.load(f"open_clip:ViT-B-32:{file}")
    assert module.calls == [("ViT-B-32", str(file))] and clip.name == "ViT-B-32 (weights)"
    red = torch.tensor([0.9, 0.1, 0.2]).expand(2, 16, 16, 3)
    torch.testing.assert_close(clip.images(red), red[:, 0, 0], rtol=1e-4, atol=1e-4)
    assert clip.texts(["abc", "ab"]).tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    "place, message",
    [
        ("open_clip:ViT-B-32", "expected open_clip:NAME:FILE"),
        ("open_clip:ViT-B-32:/nowhere.pt", "a weights file on disk"),
        ("open_clip:ViT-wrong:{file}", "does not load as ViT-wrong"),
    ],
)
def test_open_clip_mistakes(open_clip, place, message):
    with pytest.raises(UserError, match=message):
        clips.load(place.format(file=open_clip[1]))


def test_open_clip_not_installed(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    (tmp_path / "w.pt").write_bytes(b"x")
    with pytest.raises(UserError, match="pip install open_clip_torch"):
        clips.load(f"open_clip:ViT-B-32:{tmp_path / 'w.pt'}")


def test_hps_is_the_mean_cosine(open_clip):
    module, file = open_clip
    reward = hps(str(file))
    assert module.calls == [("ViT-H-14", str(file))] and reward.name == "weights"
    pictures = torch.stack([torch.tensor([1.0, 0, 0]).expand(8, 8, 3), torch.tensor([0, 1.0, 0]).expand(8, 8, 3)])
    assert reward.score(pictures, "abc") == pytest.approx(0.5, abs=1e-3)
    with pytest.raises(UserError, match=r"hps: got '/nowhere'"):
        hps("/nowhere")


def test_image_reward_is_the_mean_over_pictures(monkeypatch, tmp_path):
    loaded = []

    class Loaded:
        def score(self, prompt, picture):
            return picture.getpixel((0, 0))[0] / 255 if prompt == "a corgi" else -1

    def load(name, device, med_config):
        loaded.append((name, med_config))
        return Loaded()

    monkeypatch.setitem(sys.modules, "ImageReward", SimpleNamespace(load=load))
    with pytest.raises(UserError, match=r"ImageReward\.pt and med_config\.json is missing"):
        image_reward(str(tmp_path))
    for name in ("ImageReward.pt", "med_config.json"):
        (tmp_path / name).write_text("{}")
    reward = image_reward(str(tmp_path))
    assert loaded == [(str(tmp_path / "ImageReward.pt"), str(tmp_path / "med_config.json"))]
    pictures = torch.stack([torch.ones(4, 4, 3), torch.zeros(4, 4, 3)])
    assert reward.score(pictures, "a corgi") == 0.5
    monkeypatch.setitem(sys.modules, "ImageReward", None)
    with pytest.raises(UserError, match="pip install image-reward"):
        image_reward(str(tmp_path))
