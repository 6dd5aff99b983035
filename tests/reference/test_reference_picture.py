"""Every kind of picture is read right, or refused in one line."""

import numpy as np
import pytest
import torch
from pictures import rgba, saved
from PIL import Image as Pillow

from dream3d.errors import UserError
from dream3d.reference.picture import read_map, read_picture

RED = (200, 40, 90)
SCALED = torch.tensor(RED) / 255


def written(path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def cut_short(folder) -> str:
    whole = saved(Pillow.effect_noise((64, 64), 50), folder, "whole.png")
    data = open(whole, "rb").read()
    return written(folder / "cut.png", data[: len(data) // 2])


def flat(mode: str = "RGB") -> Pillow.Image:
    picture = Pillow.new("RGB", (32, 24), RED)
    return picture.quantize(4) if mode == "P" else picture.convert(mode)


def test_alpha_is_kept_and_colour_is_straight(tmp_path):
    got = read_picture(saved(rgba(RED), tmp_path, "a.png"))
    assert got.has_alpha and got.alpha.shape == (64, 64)
    assert torch.allclose(got.colour[32, 32], SCALED, atol=1e-3) and got.alpha[0, 0] == 0


@pytest.mark.parametrize("mode, suffix", [("RGB", "png"), ("RGB", "bmp"), ("P", "png"), ("P", "gif"), ("RGB", "webp")])
def test_kinds_that_hold_colours(mode, suffix, tmp_path):
    got = read_picture(saved(flat(mode), tmp_path, f"a.{suffix}"))
    assert not got.has_alpha and torch.allclose(got.colour[5, 5], SCALED, atol=0.03)


def test_a_palette_with_a_transparent_entry(tmp_path):
    indexed = rgba(RED).convert("P")
    got = read_picture(saved(indexed, tmp_path, "a.png", transparency=indexed.getpixel((0, 0))))
    assert got.has_alpha and got.alpha[0, 0] == 0 and got.alpha[32, 32] == 1


def test_cmyk(tmp_path):
    got = read_picture(saved(flat("CMYK"), tmp_path, "a.jpg", quality=95))
    assert torch.allclose(got.colour[5, 5], SCALED, atol=0.06)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits(suffix, tmp_path):
    half = Pillow.fromarray(np.full((32, 32), 32768, dtype=np.uint16))
    got = read_picture(saved(half, tmp_path, f"a.{suffix}"))
    assert torch.allclose(got.colour, torch.tensor(0.5), atol=1e-3)


def test_exif_turns_it_upright(tmp_path):
    pixels = np.zeros((20, 40, 3), dtype=np.uint8)
    pixels[:, :20] = 255  # white on the left
    picture = Pillow.fromarray(pixels)
    exif = Pillow.Exif()
    exif[274] = 6  # the camera was held so that the stored left is the top
    got = read_picture(saved(picture, tmp_path, "a.jpg", exif=exif, quality=95))
    assert got.colour.shape == (40, 20, 3)
    assert got.colour[2].mean() > 0.9 and got.colour[-3].mean() < 0.1


def test_of_an_animation_the_first_frame_and_a_note(tmp_path):
    others = [Pillow.new("RGB", (32, 24), (0, 0, 255))] * 2
    got = read_picture(saved(flat(), tmp_path, "a.gif", save_all=True, append_images=others))
    assert torch.allclose(got.colour[5, 5], SCALED, atol=0.03) and "frames; the first is used" in got.notes[0]


def test_a_large_one_becomes_smaller(tmp_path):
    got = read_picture(saved(Pillow.new("RGB", (3000, 1500), RED), tmp_path, "a.png"))
    assert got.colour.shape == (512, 1024, 3) and torch.allclose(got.colour[9, 9], SCALED, atol=1e-3)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda f: saved(Pillow.new("RGB", (8, 8)), f, "a.png"), "8 x 8 pixels, expected at least 16"),
        (lambda f: saved(Pillow.new("1", (20000, 6000)), f, "a.png"), "20000 x 6000 pixels, expected at most"),
        (lambda f: str(f / "none.png"), "there is no such file"),
        (lambda f: "\0", "there is no such file"),
        (str, "there is no such file"),
        (lambda f: written(f / "a.png", b"hello"), "expected a picture"),
        (lambda f: written(f / "a.png", b""), "expected a picture"),
        (cut_short, "expected a picture"),
    ],
    ids=["tiny", "huge", "missing", "no name", "a folder", "text", "empty", "cut short"],
)
def test_what_cannot_serve_ends_in_one_line(make, words, tmp_path):
    with pytest.raises(UserError, match=words) as error:
        read_picture(make(tmp_path))
    assert "\n" not in str(error.value)


def test_maps_come_at_the_pictures_size(tmp_path):
    np.save(tmp_path / "d.npy", np.arange(16.0).reshape(4, 4))
    assert read_map(str(tmp_path / "d.npy"), "image.depth", (2, 2))[..., 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    with pytest.raises(UserError, match=r"image.depth: got 4 x 4 pixels, expected the shape"):
        read_map(str(tmp_path / "d.npy"), "image.depth", (20, 80))
    np.save(tmp_path / "n.npy", np.full((4, 4), np.nan))
    with pytest.raises(UserError, match="expected finite numbers"):
        read_map(str(tmp_path / "n.npy"), "image.depth", (4, 4))
    (tmp_path / "t.npy").write_text("no")
    with pytest.raises(UserError, match=r"expected a .npy array"):
        read_map(str(tmp_path / "t.npy"), "image.depth", (4, 4))
