"""``dream3d prompt="a corgi"``: compose the configuration, run the stages, print where the results are.

A first argument without ``=`` is a command of ``cli/commands.py``. ``-m`` (multirun), ``--cfg job``, ``--hydra-help``
and launchers are Hydra's own. Nothing heavy is imported before the arguments have been validated.
"""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import dream3d
from dream3d.cli.commands import COMMANDS, HELP_FLAGS, command_of
from dream3d.cli.streams import endure
from dream3d.cli.threads import spin_briefly

if TYPE_CHECKING:
    from omegaconf import DictConfig

HYDRA_FLAGS = (
    "-m", "--multirun", "-c", "--cfg", "--hydra-help", "-i", "--info", "--resolve", "-p", "--package",
    "-cd", "--config-dir", "-cn", "--config-name", "-sc", "--shell-completion",
)  # fmt: skip
UNCHECKED = {"--hydra-help", "-sc", "--shell-completion"}
"""Flags that go without settings."""


def command(words: Sequence[str]) -> int:
    """One run. Returns the exit code: 0, 2 for a user error (one line on stderr), 130 after Ctrl-C."""
    from dream3d.cli.errors import reported

    def action() -> None:
        from dream3d.cli.overrides import composed

        started(composed(words), words)

    return reported(action)


def started(settings: "DictConfig", words: Sequence[str]) -> None:
    """Validate the settings, then run."""
    from dream3d.cli.watch import shown_live
    from dream3d.run import config as configuration

    if settings.resume is None and settings.prompts_file is None:
        configuration.check(settings)
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return started_by_torchrun(settings, words)
    with shown_live(settings):  # torch is imported only once the command has been validated
        if settings.prompts_file is not None:
            from dream3d.cli.prompts_file import run_file

            run_file(settings, words)
        else:
            from dream3d.run.stages import run

            run(settings, words)


def started_by_torchrun(settings: "DictConfig", words: Sequence[str]) -> None:
    """This process's part of a run by several (``run/parallel.py``); only the first shows what happens."""
    from rich.console import Console

    from dream3d.run.parallel import joined, rank
    from dream3d.run.stages import run

    with joined(settings, words) as own:
        run(settings, own, console=Console(quiet=True) if rank() else None)


def checked(words: Sequence[str], many: bool) -> None:
    """Compose the configuration(s); for a multirun, every value of a sweep is validated before the first run."""
    from dream3d.cli.overrides import exactly, jobs
    from dream3d.errors import UserError
    from dream3d.run import config as configuration

    composed = [exactly(job) for job in jobs(words)]
    for settings in composed if many else ():
        if settings.resume is None and settings.prompts_file is None:
            configuration.check(settings)
    if len(composed) > 1 and composed[0].out is not None and len({settings.out for settings in composed}) == 1:
        raise UserError(f"out: got '{composed[0].out}' for several runs; leave out= out, then each gets its own folder")


def by_hydra(words: Sequence[str]) -> int:
    """Hand over to Hydra: its help, the composed configuration, shell completion, or a multirun."""
    import hydra

    from dream3d.cli.errors import reported
    from dream3d.cli.overrides import exactly, quoted, renamed, with_experiment
    from dream3d.run import config as configuration

    if not UNCHECKED.intersection(words):
        many = bool({"-m", "--multirun"}.intersection(words))
        # -m: a comma separates values
        words = with_experiment([renamed(word) if many else quoted(word) for word in words])
        if code := reported(lambda: checked(words, many)):
            return code
    sys.argv[1:] = words

    @hydra.main(config_path=str(configuration.folder().resolve()), config_name="config", version_base="1.3")
    def job(_: "DictConfig") -> None:
        from hydra.core.hydra_config import HydraConfig

        own = list(HydraConfig.get().overrides.task)
        if code := reported(lambda: started(exactly(own), own)):
            sys.exit(code)

    job()
    return 0


def answered(words: Sequence[str]) -> int:
    """Run whatever the arguments ask for. Returns the exit code."""
    if words and words[0] in COMMANDS:
        return command_of(words[0])(words[1:])
    if HELP_FLAGS.intersection(words) or words == ["help"]:
        from dream3d.cli.usage import usage

        sys.stdout.write(usage())
        return 0
    if "--version" in words:
        sys.stdout.write(f"dream3d {dream3d.__version__}\n")
        return 0
    flagged = any(word.split("=")[0] in HYDRA_FLAGS for word in words)
    return by_hydra(words) if flagged else command(words)


def main() -> None:
    """Entry point of ``dream3d`` and ``python -m dream3d``."""
    endure()
    spin_briefly()
    sys.exit(answered(sys.argv[1:]))
