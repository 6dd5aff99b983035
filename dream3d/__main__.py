"""``python -m dream3d prompt="a corgi"``: compose the configuration, run the stages, say where things are.

``-m`` (multirun), ``--cfg job``, ``--help`` and launchers are Hydra's own.
"""

import sys
from collections.abc import Sequence

from omegaconf import DictConfig

from dream3d.cli.errors import reported
from dream3d.cli.overrides import composed, exactly, first_job, quoted, renamed
from dream3d.run import config as configuration

HYDRA_FLAGS = (
    "-m", "--multirun", "-c", "--cfg", "-h", "--help", "--hydra-help", "-i", "--info", "--resolve",
    "-p", "--package", "-cd", "--config-dir", "-cn", "--config-name", "-sc", "--shell-completion",
    "--version",
)  # fmt: skip


def command(words: Sequence[str]) -> int:
    """One run. Returns the exit code: 0, 2 for a mistake (one line on stderr), 130 after Ctrl-C."""
    return reported(lambda: started(composed(words), words))


def started(settings: DictConfig, words: Sequence[str]) -> None:
    """Check, run."""
    if settings.resume is None:
        configuration.check(settings)
    from dream3d.run.stages import run  # torch is imported only once the command is known to be sound

    run(settings, words)


def by_hydra(words: Sequence[str]) -> int:
    """What Hydra's flags ask for: help, the composed configuration, or many runs."""
    import hydra

    if not {"-m", "--multirun"}.intersection(words):  # where a comma separates values
        words = [quoted(word) for word in words]
    words = [renamed(word) for word in words]
    if code := reported(lambda: exactly(first_job(words))):
        return code
    sys.argv[1:] = words

    @hydra.main(config_path=str(configuration.folder().resolve()), config_name="config", version_base="1.3")
    def job(_: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        own = list(HydraConfig.get().overrides.task)
        if code := reported(lambda: started(exactly(own), own)):
            sys.exit(code)

    job()
    return 0


def main() -> None:
    """Entry point of ``dream3d`` and ``python -m dream3d``."""
    words = sys.argv[1:]
    flagged = any(word.split("=")[0] in HYDRA_FLAGS for word in words)
    sys.exit(by_hydra(words) if flagged else command(words))


if __name__ == "__main__":
    main()
