"""What things cost on this machine, as JSON: ratios within one run rather than bare seconds.

    python scripts/bench.py [--full] [--out docs/bench.json] [--set key=value ...]

step      a whole optimisation step over the bare forward pass of its prior
methods   a step of every loss over a step of SDS
renderer  rays a second of the default field over those of dense voxels sampled everywhere
counts    operators that a step launches, and how often the host waits for the device, counted on a CPU
imports   how soon the command line is there
command   a whole run of the default command: seconds a stage, peak memory (only with --full)
gpu       the same step with a network of Stable Diffusion's size; the accelerated twins (only with CUDA)
"""

import argparse
import json
import platform
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from bench_command import imports, whole_run
from bench_counts import counts
from bench_gpu import gpu, skipped
from bench_renderer import against_dense
from bench_steps import methods, step_and_prior, trained

from dream3d.cli.overrides import composed
from dream3d.report.manifest import PACKAGES, commit, cores, cpu_name, versions
from dream3d.run.build import build

ROOT = Path(__file__).parents[1]
SCHEMA = 1


def machine() -> dict[str, Any]:
    """What the figures belong to."""
    return {
        "cpu": cpu_name(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


def measured(words: Sequence[str], *, quick: bool, full: bool) -> dict[str, Any]:
    """All sections. ``quick`` is for trying the script: its figures mean nothing."""
    command = ["prompt=a corgi", *words]
    config = composed(command)
    if config.threads:
        torch.set_num_threads(config.threads)
    train, rounds, voxels = (2, 2, 8) if quick else (config.steps // 4, 40, 100)
    setup = trained(build(config), train)
    return {
        "schema": SCHEMA,
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(ROOT),
        "machine": machine(),
        "versions": versions(PACKAGES),
        "quick": quick,
        "words": command,
        "trained steps": train,
        "step": step_and_prior(setup, config.steps, rounds),
        "renderer": against_dense(setup, max(2, rounds // 8), voxels),
        "methods": methods(setup, config, max(2, rounds // 2)),
        "counts": counts(command),
        "imports": imports(1 if quick else 3),
        "command": whole_run(command) if full else skipped("the whole command: ask for it with --full"),
        "gpu": gpu(rounds, train),
    }


def table(result: dict[str, Any]) -> str:
    """The figures people ask for, a line each."""
    lines = [f"step / prior forward      {result['step']['ratio']['of means']:.2f}"]
    lines += [f"renderer / dense voxels   {result['renderer']['speed']['median']:.1f}x as fast"]
    lines += [f"{name:<25} {r['over sds']['of means']:.2f}x SDS" for name, r in result["methods"].items()]
    for name, found in result["counts"].items():
        own, rest, waits = found["operators"]["network"], found["operators"]["rest"], found["waits"]["rest"]
        launched = sum(found["launches"].values())
        lines += [f"{name:<25} {rest} operators beside the {own} of the network, {launched} launches; {waits} waits"]
    lines += [f"command line imported in  {result['imports']['command line']:.2f} s"]
    if "seconds" in result["command"]:
        stages = ", ".join(f"{k} {v:.0f} s" for k, v in result["command"]["stages"].items())
        lines += [f"whole command             {result['command']['seconds']:.0f} s ({stages})"]
    return "\n".join(lines)


def rounded(value: Any) -> Any:
    """Four significant digits are all that a clock can promise."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/bench.json")
    parser.add_argument("--full", action="store_true", help="also run the default command from start to end")
    parser.add_argument("--quick", action="store_true", help="two rounds of everything, to try the script")
    parser.add_argument("--set", nargs="*", default=[], help="further configuration, key=value")
    args = parser.parse_args(words)
    result = rounded(measured(args.set, quick=args.quick, full=args.full))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()
