"""Processes that fill shared memory with training views, job by job.

A job's cameras and pictures depend on the seed and the job alone, not on the number of processes. The memory is
anonymous: nothing to unlink, gone with its last user.
"""

import mmap
import os
import signal
import time
from collections.abc import Sequence
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from captions import Job
from views import KEEPS, Meshes, render

from dream3d.cameras import Orbit, flatten
from dream3d.priors.mini.colours import COLOURS
from dream3d.seeding import generator

BLOCK = 8  # views of a job


def shared(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Zeros that forked processes see each other write."""
    count = int(np.prod(shape))
    return np.frombuffer(mmap.mmap(-1, max(1, count * np.dtype(dtype).itemsize)), dtype, count).reshape(shape)


class Pool:
    """``views`` of the jobs' models and what is ``painted`` beside them, from ``camera``: BLOCK rows a job.

    Premultiplied RGBA as uint8; ``painted`` is all zeros where a job has no latent. Job i is there once ``ready[i]``
    is. Used in a ``with`` block, which ends the processes.
    """

    def __init__(
        self,
        models: dict[str, int],
        latents: dict[str, int],
        meshes: Meshes,
        jobs: Sequence[Job],
        size: int,
        workers: int,
        seed: int,
    ) -> None:
        """``models`` and ``latents``: the numbers of their meshes."""
        self.models, self.latents, self.meshes, self.jobs = models, latents, meshes, jobs
        self.size, self.seed, self.workers = size, seed, workers
        self.views = shared((len(jobs) * BLOCK, size, size, 4), np.uint8)
        self.painted = shared((len(jobs) * BLOCK, size, size, 4), np.uint8)
        self.camera = shared((len(jobs) * BLOCK, 17), np.float32)
        self.ready, self.stop = shared((len(jobs),), np.uint8), shared((1,), np.uint8)

    def __enter__(self) -> "Pool":
        self.fill(0)  # compiles, once for all processes
        fork = get_context("fork")
        self.counter, self.parent = fork.Value("q", 1), os.getpid()
        self.processes = [fork.Process(target=self.work, daemon=True) for _ in range(self.workers)]
        for process in self.processes:
            process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop[0] = 1
        for process in self.processes:
            process.join(10)
            if process.is_alive():
                process.kill()
                process.join()

    def wait(self, jobs: int) -> None:
        """Until the first ``jobs`` are there. Raises RuntimeError if a process died."""
        while not self.ready[:jobs].all():
            if any(process.exitcode not in {None, 0} for process in self.processes):
                raise RuntimeError(f"a rendering process died: {[process.exitcode for process in self.processes]}")
            time.sleep(0.05)

    def work(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's business
        torch.set_num_threads(1)
        while not self.stop[0] and os.getppid() == self.parent:
            with self.counter.get_lock():
                job = self.counter.value
                self.counter.value += 1
            if job >= len(self.jobs):
                break
            self.fill(job)

    def fill(self, number: int) -> None:
        """The rows of one job."""
        job, rows = self.jobs[number], slice(number * BLOCK, (number + 1) * BLOCK)
        orbit = Orbit().sample(BLOCK, self.size, generator(self.seed, number, "cameras"))
        self.camera[rows] = flatten(orbit).numpy()
        target = KEEPS if job.colour is None else np.array(COLOURS[job.colour], np.float32) / 255
        colours = np.tile(target, (BLOCK, 1))
        which = np.full(BLOCK, self.models[job.model])
        render(self.meshes, which, colours, self.camera[rows], self.views[rows])
        if job.latent is not None:
            which = np.full(BLOCK, self.latents[job.latent])
            render(self.meshes, which, colours, self.camera[rows], self.painted[rows])
        self.ready[number] = 1
