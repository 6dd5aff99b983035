"""``dream3d doctor``: check the installation, one line for each part, with a fix for what is broken.

Exit code 1 if a required part is broken.
"""

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dream3d
from dream3d.cli.commands import HELP_FLAGS, written

MEMORY, DISK = 1.5, 1.0  # GB that the default command needs
NEEDED, OPTIONAL = "broken", "missing"


@dataclass(frozen=True)
class Finding:
    """``state`` is ok, missing (optional) or broken (required); ``fix`` is empty if nothing is wrong."""

    state: str
    what: str
    fact: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.state:<8} {self.what:<13} {self.fact}" + (f"; {self.fix}" if self.fix else "")


def imported(module: str, otherwise: str, fix: str, uses: str = "") -> Finding:
    """Whether a module imports, and its version; ``otherwise`` is its state if it does not."""
    try:
        found = importlib.import_module(module)
    except Exception as error:  # a broken binary may raise anything
        lines = str(error).strip().splitlines() or [type(error).__name__]
        absent = isinstance(error, ModuleNotFoundError) and error.name == module
        return Finding(otherwise, module, "not installed" if absent else f"does not import ({lines[0]})", fix)
    return Finding("ok", module, f"{getattr(found, '__version__', 'installed')}{uses and f', {uses}'}")


def torch_and_cuda() -> Iterator[Finding]:
    """torch, the GPU, and packages used only on a GPU."""
    torch_found = imported("torch", NEEDED, "pip install torch (https://pytorch.org/get-started/locally)")
    yield torch_found
    if torch_found.state != "ok":
        return
    import torch

    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        yield Finding("ok", "CUDA", f"{torch.version.cuda}, {card.name}, {card.total_memory / 2**30:.0f} GB")
    else:
        why = "this torch build is CPU-only" if torch.version.cuda is None else "no GPU or driver found"
        yield Finding(OPTIONAL, "CUDA", f"{why}; runs use the CPU", "with an NVIDIA GPU: nvidia-smi must list it, and "
                      "torch must be a CUDA build (https://pytorch.org/get-started/locally)")  # fmt: skip
    yield imported("nerfacc", NEEDED, "pip install nerfacc", "used on GPUs only")
    yield imported("tinycudann", OPTIONAL, "only speeds up field=hashgrid on a GPU: "
                   "https://github.com/NVlabs/tiny-cuda-nn#pytorch-extension")  # fmt: skip


def libraries() -> Iterator[Finding]:
    """Packages that every run needs, besides torch."""
    for module in ("diffusers", "transformers", "trimesh", "xatlas", "skimage"):
        yield imported(module, NEEDED, "pip install --force-reinstall dream3d")
    embree = imported("embreex", NEEDED, "pip install embreex")
    yield Finding(embree.state, "Embree", embree.fact, embree.fix)
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        yield Finding("ok", "ffmpeg", Path(get_ffmpeg_exe()).name)
    except (ImportError, RuntimeError) as error:
        yield Finding(NEEDED, "ffmpeg", str(error), "pip install imageio-ffmpeg, or use turntable=0")


def weights() -> Finding:
    """The embedded prior's weights, which may be Git LFS pointers in a checkout."""
    file = Path(dream3d.__path__[0]) / "priors" / "mini" / "unet" / "diffusion_pytorch_model.safetensors"
    size = file.stat().st_size if file.is_file() else 0
    if size < 1_000_000:
        return Finding(NEEDED, "prior=mini", f"{file} is missing or a Git LFS pointer", "reinstall dream3d")
    return Finding("ok", "prior=mini", f"{size / 1e6:.0f} MB in the package; the default run downloads nothing")


def memory() -> Finding:
    """Memory available to new processes (Linux), or installed (elsewhere)."""
    try:
        facts = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(facts["MemAvailable"].split()[0]) / 1e6
    except (OSError, KeyError, ValueError):
        try:
            free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
        except (AttributeError, ValueError, OSError):
            return Finding(OPTIONAL, "memory", "unknown on this system", f"free {MEMORY} GB")
    enough = free >= MEMORY
    fix = "" if enough else f"the default run needs {MEMORY} GB: close programs, or use batch_size=1"
    return Finding("ok" if enough else OPTIONAL, "memory", f"{free:.1f} GB free", fix)


def disk(folder: Path) -> Finding:
    """Whether outputs/ is writable, and its free space."""
    place = folder if folder.is_dir() else folder.parent
    free = shutil.disk_usage(place).free / 1e9
    if not os.access(place, os.W_OK):
        return Finding(
            NEEDED, "disk", f"{place.resolve()} cannot be written to", "run in another folder, or use out=<folder>"
        )
    fix = "" if free >= DISK else f"free {DISK:.0f} GB, or use out=<folder> on another disk"
    return Finding(OPTIONAL if fix else "ok", "disk", f"{free:.0f} GB free for {place.resolve()}", fix)


def findings() -> Iterator[Finding]:
    """All checks, the most informative first."""
    yield Finding("ok", "dream3d", f"{dream3d.__version__} in {dream3d.__path__[0]}")
    yield Finding("ok", "Python", f"{platform.python_version()}, {platform.platform()}, {os.cpu_count()} cores")
    yield from torch_and_cuda()
    yield from libraries()
    yield weights()
    yield memory()
    yield disk(Path("outputs"))


def command(words: Sequence[str]) -> int:
    """Print each finding as it is made. Returns 0, or 1 if a required part is broken."""
    if words:
        sys.stdout.write(written(__doc__))
        return 0 if HELP_FLAGS.issuperset(words) else 2
    broken = False
    for finding in findings():
        sys.stdout.write(f"{finding}\n")
        sys.stdout.flush()
        broken |= finding.state == NEEDED
    return int(broken)
