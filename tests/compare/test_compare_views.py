import numpy as np
import torch
import trimesh
from cheap import ball

from dream3d.compare.views import VIEWS, exported, mesh_file, read_views, round_views, write_views
from dream3d.mesh.reading import load_mesh
from dream3d.types import Image


def test_views_survive_the_file(tmp_path):
    draw = torch.Generator().manual_seed(0)
    alpha = torch.rand(5, 8, 8, 1, generator=draw)
    image = Image(alpha * torch.rand(5, 8, 8, 3, generator=draw), alpha)
    write_views(image, tmp_path / "views.png")
    back = read_views(tmp_path / "views.png")
    torch.testing.assert_close(back.colour, image.colour, atol=0.5 / 255 + 1e-6, rtol=0)
    torch.testing.assert_close(back.alpha, image.alpha, atol=0.5 / 255 + 1e-6, rtol=0)


def test_the_front_is_first_and_the_right_side_a_quarter_on(tmp_path):
    """The ball is red where x > 0: from +x it is red all over, from -x blue."""
    views = round_views(exported(ball(tmp_path)), 16)
    assert len(views.alpha) == VIEWS
    middle = views.colour[:, 8, 8]
    for view, strong, weak in ((VIEWS // 4, 0, 2), (3 * VIEWS // 4, 2, 0)):
        assert middle[view, strong] > 0.6 and middle[view, weak] < 0.3


def test_meshes_are_neither_moved_nor_scaled(tmp_path):
    file = ball(tmp_path)
    assert exported(file).vertices.norm(dim=1).max() < 0.61 < load_mesh(file).vertices.norm(dim=1).max()
    assert mesh_file(tmp_path) is None


def test_vertex_colours_stay_at_their_vertices(tmp_path):
    """Also where two vertices share a place, which trimesh would merge by itself."""
    places = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 0]], dtype=float)
    colours = np.arange(18).reshape(6, 3) * 10
    rgba = np.concatenate((colours, np.full((6, 1), 255)), axis=1).astype(np.uint8)
    shape = trimesh.Trimesh(places, [[0, 1, 2], [3, 4, 5]], vertex_colors=rgba, process=False)
    shape.export(tmp_path / "mesh.ply")
    mesh = exported(tmp_path / "mesh.ply")
    torch.testing.assert_close(mesh.vertices, torch.tensor(places, dtype=torch.float32))
    torch.testing.assert_close(mesh.colours, torch.tensor(colours / 255.0, dtype=torch.float32))
