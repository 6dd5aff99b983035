"""A renderer that shares nothing with the package: a perspective matrix and a z-buffer, in numpy alone.

Pictures of a GLB as other programs would draw it without light: triangles by the specification, colour
from the file's own uv and image.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import trimesh


def view_projection(azimuth: float, elevation: float, distance: float, fov_y: float) -> np.ndarray:
    """World to clip space, as OpenGL's gluLookAt and gluPerspective; the camera looks at the origin."""
    eye = distance * np.array([
        math.sin(azimuth) * math.cos(elevation), math.sin(elevation), math.cos(azimuth) * math.cos(elevation)
    ])  # fmt: skip
    forward = -eye / np.linalg.norm(eye)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    look = np.eye(4)
    look[:3, :3] = right, np.cross(right, forward), -forward
    look[:3, 3] = -look[:3, :3] @ eye
    f, near, far = 1 / math.tan(fov_y / 2), 0.1, 100.0
    perspective = np.diag([f, f, (far + near) / (near - far), 0.0])
    perspective[2, 3], perspective[3, 2] = 2 * far * near / (near - far), -1.0
    return perspective @ look


def look_up(image: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Bilinear, clamped at the border; trimesh has v = 0 at the bottom, the image its row 0 at the top."""
    height, width = image.shape[:2]
    x = np.clip(uv[:, 0] * width - 0.5, 0, width - 1)
    y = np.clip((1 - uv[:, 1]) * height - 0.5, 0, height - 1)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, low = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    s, t = (x - left)[:, None], (y - top)[:, None]
    upper = (1 - s) * image[top, left] + s * image[top, right]
    return (1 - t) * upper + t * ((1 - s) * image[low, left] + s * image[low, right])


def draw(file: Path, matrix: np.ndarray, size: int, supersample: int = 2) -> np.ndarray:
    """The GLB on white, ``size`` x ``size`` x 3 in [0, 1]."""
    loaded: Any = trimesh.load(file, force="mesh", process=False)
    image = np.asarray(loaded.visual.material.baseColorTexture.convert("RGB")) / 255.0
    side = size * supersample
    clip = np.concatenate((loaded.vertices, np.ones((len(loaded.vertices), 1))), axis=1) @ matrix.T
    inverse_w = 1 / clip[:, 3]
    x = (clip[:, 0] * inverse_w + 1) * side / 2
    y = (1 - clip[:, 1] * inverse_w) * side / 2
    depth = clip[:, 2] * inverse_w
    picture, buffer = np.ones((side, side, 3)), np.full((side, side), np.inf)
    for face in loaded.faces:
        fx, fy = x[face], y[face]
        area = (fx[1] - fx[0]) * (fy[2] - fy[0]) - (fy[1] - fy[0]) * (fx[2] - fx[0])
        left, right = max(int(fx.min() - 0.5), 0), min(int(fx.max() + 0.5), side - 1)
        top, low = max(int(fy.min() - 0.5), 0), min(int(fy.max() + 0.5), side - 1)
        if area == 0 or left > right or top > low:
            continue
        px, py = np.meshgrid(np.arange(left, right + 1) + 0.5, np.arange(top, low + 1) + 0.5)
        b = ((fx[2] - px) * (fy[0] - py) - (fy[2] - py) * (fx[0] - px)) / area
        c = ((fx[0] - px) * (fy[1] - py) - (fy[0] - py) * (fx[1] - px)) / area
        share = np.stack((1 - b - c, b, c), axis=-1)
        z = share @ depth[face]
        box = (slice(top, low + 1), slice(left, right + 1))
        seen = (share >= 0).all(-1) & (z < buffer[box])
        if not seen.any():
            continue
        weight = share[seen] * inverse_w[face]  # perspective-correct
        uv = (weight @ np.asarray(loaded.visual.uv)[face]) / weight.sum(1, keepdims=True)
        buffer[box][seen] = z[seen]
        picture[box][seen] = look_up(image, uv)
    return picture.reshape(size, supersample, size, supersample, 3).mean((1, 3))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Decibels, over the whole picture."""
    return -10 * math.log10(float(np.mean((a - b) ** 2)))
