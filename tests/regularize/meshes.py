"""Renders that hold nothing but a mesh or a signed grid."""

import torch

from dream3d.geometry.lattice import cubes as cubes_of
from dream3d.geometry.lattice import lattice
from dream3d.types import Image, Mesh, Render, SignedGrid

EMPTY = Image(torch.zeros(1, 2, 2, 3), torch.zeros(1, 2, 2, 1))


def of_mesh(vertices, faces):
    return Render(EMPTY, torch.zeros(1, 2, 2, 1), mesh=Mesh(vertices, faces))


def of_grid(distance, offset=None, resolution=8):
    """The lattice with ``distance`` of its nodes."""
    nodes, tets = lattice(resolution)
    offset = torch.zeros_like(nodes) if offset is None else offset
    grid = SignedGrid(nodes + offset, offset, distance(nodes + offset), tets, 2 / resolution)
    return Render(EMPTY, torch.zeros(1, 2, 2, 1), grid=grid)


def of_cubes(distance, offset, resolution=8):
    """The same on cubes."""
    nodes, cubes = cubes_of(resolution)
    offset = offset[: len(nodes)]
    grid = SignedGrid(nodes + offset, offset, distance(nodes + offset), cubes, 2 / resolution)
    return Render(EMPTY, torch.zeros(1, 2, 2, 1), grid=grid)


def roof(angle):
    """Two triangles that meet at an edge; 0 is flat."""
    angle = torch.as_tensor(angle)
    low, side = torch.zeros(()), torch.cos(angle)
    tip = torch.stack((side, torch.sin(angle), low))
    fixed = torch.tensor([[0.0, 0, 1], [0, 0, -1], [-1, 0, 0]]).to(tip)
    return torch.cat((fixed, tip[None])), torch.tensor([[0, 1, 2], [1, 0, 3]])
