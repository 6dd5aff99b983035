"""How much of a step is the prior; and what a step of each loss costs beside one of SDS."""

import copy
import dataclasses
from functools import partial
from typing import Any

import torch
from bench_timer import Job, interleaved, ratio, timing
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from dream3d.cli.overrides import member
from dream3d.optimize import Setup, Source, optimize
from dream3d.run import config as configuration
from dream3d.run.guidances import compares
from dream3d.seeding import generator


def trained(setup: Setup, steps: int) -> Setup:
    """The setup after some steps: the field has a surface, the renderer knows what is empty."""
    for _ in optimize(setup, 0, steps):
        pass
    return setup


def spread(number: int, rounds: int, steps: int) -> int:
    """The step of the run that a round stands for; the rounds are spread evenly over the run."""
    return number * steps // rounds % steps


def step_job(setup: Setup, rounds: int, steps: int) -> Job:
    """One whole step of the loop."""

    def job(number: int) -> None:
        step = spread(number, rounds, steps)
        next(optimize(setup, step, step + 1))

    return job


def prior_job(setup: Setup) -> Job:
    """The prior alone: noise predictions of cond and null for the views of a step."""
    camera = setup.camera.sample(setup.batch_size, setup.size, generator(0, 0, "camera")).to(setup.device)
    with torch.no_grad():
        image = setup.renderers[0](setup.fields[0], camera).image
        x = setup.prior.encode(image, torch.ones(1, 1, 1, 3, device=setup.device))
    text = setup.text(camera)
    noise = torch.randn(x.shape, generator=generator(0, 0, "noise")).to(x)
    t = torch.full((len(x),), len(setup.prior.alpha_bar) // 2, device=x.device)

    def job(number: int) -> None:
        setup.prior.eps(x + noise, t, text)

    return job


def step_and_prior(setup: Setup, steps: int, rounds: int) -> dict[str, Any]:
    """Whole step over bare forward."""
    jobs = {"prior": prior_job(setup), "step": step_job(setup, rounds, steps)}
    times = interleaved(jobs, rounds)
    summary = {name: dataclasses.asdict(timing(t)) for name, t in times.items()}
    return {**summary, "ratio": ratio(times["step"], times["prior"])}


def with_loss(setup: Setup, config: DictConfig, name: str) -> Setup:
    """The same scene under another loss of conf/distill; a student gets a copy of the prior."""
    root = OmegaConf.create({"steps": config.steps})
    root.distill = member("distill", name)
    distill = root.distill
    changes = {
        "loss": instantiate(distill.loss),
        "time": instantiate(distill.time),
        "noise_samples": distill.noise_samples,
    }
    if distill.student is not None:
        changes["prior"] = copy.deepcopy(setup.prior)
        student = instantiate(distill.student)(prior=changes["prior"], generator=generator(0, 0, "student"))
        changes |= {"student": student, "loss": partial(changes["loss"], student=student)}
    if compares(changes["loss"], editing=True):  # an edit of a copy of the scene
        fields, renderers = copy.deepcopy(setup.fields), copy.deepcopy(setup.renderers)
        changes["source"] = Source(fields, renderers, setup.text, keep={}, compared=True)
    return dataclasses.replace(setup, **changes)


def methods(setup: Setup, config: DictConfig, rounds: int) -> dict[str, Any]:
    """Seconds of a step of every loss, and over those of SDS, averaged over the course of a run."""
    names = sorted(f.stem for f in (configuration.folder() / "distill").glob("*.yaml"))
    jobs = {name: step_job(with_loss(setup, config, name), rounds, config.steps) for name in names}
    times = interleaved(jobs, rounds, warmup=1)
    return {name: {**dataclasses.asdict(timing(t)), "over sds": ratio(t, times["sds"])} for name, t in times.items()}
