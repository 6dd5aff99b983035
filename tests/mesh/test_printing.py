"""What is written for printers."""

import zipfile
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from scenes import box, sphere

from dream3d.mesh.export import export
from dream3d.mesh.printing import CORE, from_3mf, printable, to_3mf
from dream3d.mesh.reading import load_mesh


def tall():
    """1 wide, 2 high, 3 deep, its front (+z) red."""
    mesh = box()
    size = torch.tensor([1.0, 2.0, 3.0])
    vertices = (mesh.vertices - mesh.vertices.amin(0)) / (mesh.vertices.amax(0) - mesh.vertices.amin(0)) * size + 7
    red = (vertices[:, 2:] > 9).float()
    return replace(mesh, vertices=vertices, colours=torch.cat((red, 0 * red, 1 - red), dim=1))


def test_it_stands_on_the_plate_in_millimetres():
    made = printable(tall(), 60.0)
    torch.testing.assert_close(made.vertices.amin(0), torch.tensor([-10.0, -30, 0], dtype=torch.float64))
    torch.testing.assert_close(made.vertices.amax(0), torch.tensor([10.0, 30, 40], dtype=torch.float64))
    front = made.colours[:, 0] > 0.5
    assert (made.vertices[front, 1] < 0).all()  # towards whoever stands before the printer
    a, b, c = made.vertices[made.faces].unbind(1)
    assert (a * torch.linalg.cross(b, c)).sum() > 0
    with pytest.raises(ValueError, match=r"mesh\.size_mm: got 0, expected millimetres above 0"):
        printable(tall(), 0)


def test_3mf_has_the_colours_and_is_the_same_twice():
    mesh = printable(replace(sphere(), colours=(sphere().vertices + 1) / 2), 80.0)
    data = to_3mf(mesh)
    back = from_3mf(data)
    torch.testing.assert_close(back.vertices[back.faces], mesh.vertices[mesh.faces], atol=1e-6, rtol=0)
    torch.testing.assert_close(back.colours[back.faces], mesh.colours[mesh.faces], atol=0.51 / 255, rtol=0)
    assert data == to_3mf(mesh)


def test_3mf_is_a_package_of_the_specification(tmp_path):
    """Core 1.3, sections 2.1 and 3.4: content types, one model that the root relationship names, millimetres."""
    (file,) = export(replace(tall(), colours=None), tmp_path, ["3mf"], size_mm=50.0)
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["[Content_Types].xml", "_rels/.rels", "3D/3dmodel.model"]
        relation = ElementTree.fromstring(archive.read("_rels/.rels"))[0]
        model = ElementTree.fromstring(archive.read(relation.get("Target").lstrip("/")))
    assert model.get("unit") == "millimeter"
    vertices = [float(v.get(axis)) for v in model.iter(f"{{{CORE}}}vertex") for axis in "xyz"]
    assert np.ptp(vertices[1::3]) == pytest.approx(50) and min(vertices[2::3]) == 0
    item = next(model.iter(f"{{{CORE}}}item"))
    assert item.get("objectid") == next(model.iter(f"{{{CORE}}}object")).get("id")


def test_stl_comes_in_the_size_that_is_asked(tmp_path):
    export(tall(), tmp_path, ["stl"], size_mm=120.0)
    extent = 2 * (load_mesh(tmp_path / "mesh.stl").vertices * load_mesh(tmp_path / "mesh.stl").placement[3]).amax(0)
    torch.testing.assert_close(extent, torch.tensor([40.0, 120, 80]), atol=1e-3, rtol=0)
