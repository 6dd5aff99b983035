"""The rasteriser of training views: perspective-correct, supersampled, shaded by one standing light; numba.

Functions of one thread that release the GIL. A sample's depth is 1 / distance along the axis, linear on the screen; so
is shaded colour / distance, hence a face is three linear functions and no sample divides by more than its depth.
"""

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def draw(vertices, colours, ratio, faces, vertex_offset, face_offset, mesh, target, camera, light, ambient, s, out):
    n, size = out.shape[0], out.shape[1]
    most_vertices, most_faces = 0, 0
    for m in mesh:
        most_vertices = max(most_vertices, vertex_offset[m + 1] - vertex_offset[m])
        most_faces = max(most_faces, face_offset[m + 1] - face_offset[m])
    screen = np.empty((most_vertices, 3), np.float64)
    depth = np.zeros((size * s, size * s), np.float32)  # 1 / distance along the axis; 0: nothing
    owner = np.empty((size * s, size * s), np.int32)
    drawn = np.zeros(most_faces, np.int32)  # the last view in which the face's plane was set
    plane = np.empty((most_faces, 9), np.float64)
    for i in range(n):
        a, b = vertex_offset[mesh[i]], vertex_offset[mesh[i] + 1]
        c, d = face_offset[mesh[i]], face_offset[mesh[i] + 1]
        box = project(vertices[a:b], camera[i], size * s, screen)
        rasterize(faces[c:d], screen, depth, owner)
        out[i] = 0
        shade_pixels(
            vertices[a:b], colours[a:b], ratio[a:b], faces[c:d], screen, target[i], camera[i],
            light, ambient, i + 1, s, box, depth, owner, drawn, plane, out[i],
        )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def project(vertices, camera, samples, screen):
    """Sets x, y (in samples, whole numbers at sample centres) and 1 / distance; returns the box in samples."""
    scale = samples / (2 * math.tan(camera[16] / 2.0))
    middle = samples / 2 - 0.5
    x0, y0, x1, y1 = 1e9, 1e9, -1e9, -1e9
    for v in range(len(vertices)):
        dx, dy, dz = vertices[v, 0] - camera[3], vertices[v, 1] - camera[7], vertices[v, 2] - camera[11]
        inverse = -1.0 / (dx * camera[2] + dy * camera[6] + dz * camera[10])
        x = middle + scale * inverse * (dx * camera[0] + dy * camera[4] + dz * camera[8])
        y = middle - scale * inverse * (dx * camera[1] + dy * camera[5] + dz * camera[9])
        screen[v, 0], screen[v, 1], screen[v, 2] = x, y, inverse
        x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
    last = samples - 1.0
    return max(x0, 0.0), max(y0, 0.0), min(x1, last), min(y1, last)


@numba.njit(cache=True, nogil=True)
def rasterize(faces, screen, depth, owner):
    """Which face each sample sees. An edge is always walked from its upper end: neighbours leave no gap."""
    last = depth.shape[0] - 1.0
    for f in range(len(faces)):
        u, v, w = faces[f, 0], faces[f, 1], faces[f, 2]
        y0, y1, y2 = screen[u, 1], screen[v, 1], screen[w, 1]
        top = math.ceil(max(min(y0, y1, y2), 0.0))
        bottom = math.floor(min(max(y0, y1, y2), last))
        if top > bottom:
            continue
        x0, x1, x2 = screen[u, 0], screen[v, 0], screen[w, 0]
        if math.ceil(min(x0, x1, x2)) > max(x0, x1, x2):
            continue
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        z0 = screen[u, 2]
        z1, z2 = screen[v, 2] - z0, screen[w, 2] - z0
        zx = (z1 * (y2 - y0) - z2 * (y1 - y0)) / area
        zy = (z2 * (x1 - x0) - z1 * (x2 - x0)) / area
        z0 -= zx * x0 + zy * y0
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        if y1 > y2:
            x1, y1, x2, y2 = x2, y2, x1, y1
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        slope = (x2 - x0) / (y2 - y0)
        upper = (x1 - x0) / (y1 - y0) if y1 > y0 else 0.0
        lower = (x2 - x1) / (y2 - y1) if y2 > y1 else 0.0
        for y in range(top, bottom + 1):
            xa = x0 + slope * (y - y0)
            xb = x0 + upper * (y - y0) if y < y1 else x1 + lower * (y - y1)
            left = math.ceil(max(min(xa, xb), 0.0))
            right = math.floor(min(max(xa, xb), last))
            z = z0 + zy * y
            for x in range(left, right + 1):
                near = np.float32(z + zx * x)
                if near > depth[y, x]:
                    depth[y, x] = near
                    owner[y, x] = f


@numba.njit(cache=True, nogil=True)
def shade_pixels(
    vertices, colours, ratio, faces, screen, target, camera, light, ambient, view, s, box, depth, owner,
    drawn, plane, out,
):  # fmt: skip
    """Averages the shaded samples of each pixel, and empties ``depth`` for the next view."""
    x0, y0, x1, y1 = int(box[0]) // s, int(box[1]) // s, int(box[2]) // s, int(box[3]) // s
    share = 255.0 / (s * s)
    for py in range(y0, y1 + 1):
        for px in range(x0, x1 + 1):
            r, g, b, hits = 0.0, 0.0, 0.0, 0
            for y in range(py * s, py * s + s):
                for x in range(px * s, px * s + s):
                    near = depth[y, x]
                    if near > 0:
                        depth[y, x] = 0
                        f = owner[y, x]
                        p = plane[f]
                        if drawn[f] != view:
                            drawn[f] = view
                            plane_of(vertices, colours, ratio, faces[f], screen, target, camera, light, ambient, p)
                        distance = 1 / near
                        r += distance * (p[0] + p[1] * x + p[2] * y)
                        g += distance * (p[3] + p[4] * x + p[5] * y)
                        b += distance * (p[6] + p[7] * x + p[8] * y)
                        hits += 1
            if hits:
                most = share * hits
                out[py, px, 0] = int(min(max(share * r, 0.0), most) + 0.5)
                out[py, px, 1] = int(min(max(share * g, 0.0), most) + 0.5)
                out[py, px, 2] = int(min(max(share * b, 0.0), most) + 0.5)
                out[py, px, 3] = int(most + 0.5)


@numba.njit(cache=True, nogil=True)
def plane_of(vertices, colours, ratio, face, screen, target, camera, light, ambient, plane):
    """Shaded colour / distance as a linear function of the sample: value at 0, 0, change with x, with y."""
    u, v, w = face[0], face[1], face[2]
    px, py, pz = vertices[u, 0], vertices[u, 1], vertices[u, 2]
    ax, ay, az = vertices[v, 0] - px, vertices[v, 1] - py, vertices[v, 2] - pz
    bx, by, bz = vertices[w, 0] - px, vertices[w, 1] - py, vertices[w, 2] - pz
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    cosine = (nx * light[0] + ny * light[1] + nz * light[2]) / max(1e-12, math.sqrt(nx * nx + ny * ny + nz * nz))
    if nx * (px - camera[3]) + ny * (py - camera[7]) + nz * (pz - camera[11]) > 0:
        cosine = -cosine
    shade = ambient + (1 - ambient) * cosine
    x0, y0 = screen[u, 0], screen[u, 1]
    x1, y1, x2, y2 = screen[v, 0] - x0, screen[v, 1] - y0, screen[w, 0] - x0, screen[w, 1] - y0
    inverse = 1 / (x1 * y2 - x2 * y1)
    q0, q1, q2 = shade * screen[u, 2], shade * screen[v, 2], shade * screen[w, 2]
    r0, r1, r2 = ratio[u], ratio[v], ratio[w]
    if target[0] < 0:  # no colour is named
        r0 = r1 = r2 = np.float32(-1)
    for k in range(3):
        c0 = q0 * (colours[u, k] if r0 < 0 else min(1.0, r0 * target[k]))
        c1 = q1 * (colours[v, k] if r1 < 0 else min(1.0, r1 * target[k])) - c0
        c2 = q2 * (colours[w, k] if r2 < 0 else min(1.0, r2 * target[k])) - c0
        gx, gy = (c1 * y2 - c2 * y1) * inverse, (c2 * x1 - c1 * x2) * inverse
        plane[3 * k], plane[3 * k + 1], plane[3 * k + 2] = c0 - gx * x0 - gy * y0, gx, gy
