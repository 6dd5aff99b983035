"""``run.json``: machine, versions, settings and timings of a run, enough to repeat it or to report a bug."""

import dataclasses
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

import torch

from dream3d.report.checksums import sha256
from dream3d.report.files import Facts, facts_of, replacing

PACKAGES = ("dream3d", "torch", "diffusers", "transformers", "peft", "nerfacc", "trimesh", "embreex",
            "xatlas", "fast-simplification", "kornia", "hydra-core", "scikit-image", "numpy",
            "tinycudann", "nvdiffrast", "xformers")  # fmt: skip


@dataclass(frozen=True)
class Manifest:
    """Plain data. Times in seconds, memory in MiB, ``files``: path in the run's folder -> SHA-256; None is "not
    known here"."""

    prompt: str
    seed: int
    finished: str
    init: str | None
    stages: dict[str, float]
    warnings: list[str]
    accelerators: dict[str, str]
    gradient_norms: dict[str, float]
    device: str
    peak_memory: float | None
    peak_gpu_memory: float | None
    commit: str | None
    versions: dict[str, str]
    python: str
    platform: str
    cpu: str
    cores: int
    gpu: str | None
    files: dict[str, str]


def collect(
    *,
    prompt: str,
    seed: int,
    device: str,
    stages: Mapping[str, float],
    accelerators: Mapping[str, str],
    init: str | None,
    warnings: Sequence[str],
    files: Mapping[str, str],
    gradient_norms: Mapping[str, float] = MappingProxyType({}),
) -> Manifest:
    """What the caller knows (``accelerators``: room -> what was used; ``init``: the shape it started from;
    ``files``: checksums of what was exported; ``gradient_norms``: the median of each guidance term and reference view,
    where there are several) and what the machine tells."""
    cuda = torch.cuda.is_available() and device.startswith("cuda")
    return Manifest(
        prompt=prompt,
        seed=seed,
        finished=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        init=init,
        stages={name: round(seconds, 3) for name, seconds in stages.items()},
        warnings=list(warnings),
        accelerators=dict(accelerators),
        gradient_norms=dict(gradient_norms),
        device=device,
        peak_memory=peak_memory(),
        peak_gpu_memory=torch.cuda.max_memory_allocated(device) / 2**20 if cuda else None,
        commit=commit(Path(__file__).parents[2]),
        versions=versions(PACKAGES),
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=cpu_name(),
        cores=cores(),
        gpu=torch.cuda.get_device_name(device) if cuda else None,
        files=dict(files),
    )


def write(manifest: Manifest, path: Path) -> None:
    """As indented JSON, atomically."""
    write_facts(dataclasses.asdict(manifest), path)


def write_facts(facts: Facts, path: Path) -> None:
    """``write`` for a manifest read from disk."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def add_files(folder: Path, files: Sequence[Path]) -> None:
    """Update the checksums of files exported again into the folder of a finished run."""
    path = folder / "run.json"
    facts = facts_of(path)
    if facts:
        ours = {file.relative_to(folder).as_posix(): sha256(file) for file in files}
        write_facts({**facts, "files": {**facts.get("files", {}), **ours}}, path)


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Installed versions; packages that are not installed are left out."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit(source: Path) -> str | None:
    """The git commit of a source tree, with "-dirty" when files differ from it; None when there is none.

    Only a ``.git`` of the very folder counts: an installed package must not name the repository of
    whoever happens to have a virtual environment inside it.
    """
    if not (source / ".git").exists():
        return None
    words = [
        "git",
        "--no-optional-locks",
        "-C",
        str(source),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
    ]
    try:
        done = subprocess.run([*words, "--exclude=*"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def peak_memory() -> float | None:
    """The largest resident size of this process so far, in MiB (None on Windows)."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB elsewhere


def cpu_name() -> str:
    """The processor's name as the system reports it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores() -> int:
    """Cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
