import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from dream3d.report.turntable import write_gif, write_mp4


def frames(count: int, height: int, width: int) -> torch.Tensor:
    """A bright block that wanders to the right over saturated colours."""
    out = torch.zeros(count, height, width, 3)
    out[:, : height // 2, :, 0] = 0.8
    out[:, height // 2 :, :, 2] = 0.8
    for i in range(count):
        x = i * width // count
        out[i, :, x : x + width // count] = torch.tensor([0.2, 0.9, 0.2])
    return out


def read(path):
    stream = imageio_ffmpeg.read_frames(str(path))
    meta = next(stream)
    width, height = meta["size"]
    return meta, [np.frombuffer(f, np.uint8).reshape(height, width, 3) for f in stream]


def test_mp4_is_h264_yuv420p_of_even_size_and_shows_the_frames(tmp_path):
    given = frames(6, 63, 97)
    write_mp4(given, tmp_path / "turntable.mp4", fps=12)
    meta, shown = read(tmp_path / "turntable.mp4")
    assert meta["codec"] == "h264" and meta["pix_fmt"].startswith("yuv420p") and "bt709" in meta["pix_fmt"]
    assert meta["size"] == (98, 64) and meta["fps"] == 12 and len(shown) == 6
    for i in (0, 3, 5):
        wanted = (given[i] * 255).numpy()
        error = np.abs(shown[i][:63, :97].astype(float) - wanted)
        assert np.median(error) <= 4 and error.mean() < 12  # chroma is halved at the block's edges
    assert [p.name for p in tmp_path.iterdir()] == ["turntable.mp4"]


def test_gif_loops_for_ever_and_shows_the_frames(tmp_path):
    given = frames(5, 40, 60)
    write_gif(given, tmp_path / "turntable.gif", fps=20)
    with Pillow.open(tmp_path / "turntable.gif") as gif:
        assert gif.n_frames == 5 and gif.info["loop"] == 0 and gif.info["duration"] == 50
        for i in (0, 4):
            gif.seek(i)
            assert np.abs(np.asarray(gif.convert("RGB")) - (given[i] * 255).numpy()).max() <= 12


def test_gif_shrinks_until_it_fits(tmp_path):
    noise = torch.rand(4, 96, 128, 3, generator=torch.Generator().manual_seed(0))
    write_gif(noise, tmp_path / "a.gif", limit=12_000)
    assert (tmp_path / "a.gif").stat().st_size <= 12_000
    with Pillow.open(tmp_path / "a.gif") as gif:
        assert gif.width < 128 and abs(gif.width / gif.height - 4 / 3) < 0.1


@pytest.mark.parametrize("write", [write_mp4, write_gif])
def test_no_frames_are_refused(tmp_path, write):
    with pytest.raises(ValueError, match="0 frames"):
        write(torch.zeros(0, 8, 8, 3), tmp_path / "a.mp4")
