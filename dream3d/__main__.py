"""``python -m dream3d prompt="a corgi"``: compose the configuration, run the stages, say where things are.

``-m`` (multirun), ``--cfg job``, ``--help`` and launchers are Hydra's own.
"""

import sys
from collections.abc import Sequence

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dream3d import config as configuration
from dream3d.errors import UserError

HYDRA_FLAGS = ("-m", "--multirun", "-c", "--cfg", "-h", "--help", "--hydra-help", "-i", "--info", "--resolve", "-p",
               "--package", "-cd", "--config-dir", "-cn", "--config-name", "-sc", "--shell-completion", "--version")  # fmt: skip


def composed(overrides: Sequence[str]) -> DictConfig:
    """The configuration for these command-line words. Raises UserError with Hydra's reason in one line."""
    try:
        with initialize_config_dir(str(configuration.folder().resolve()), version_base="1.3"):
            return compose("config", overrides=list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explained(error)) from error


def explained(error: Exception) -> str:
    """Hydra's message without its stack of details, and where to look for what exists."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    about = [line for line in lines[1:] if not line.startswith(("full_key", "object_type", "Check that"))]
    reason = " ".join([*lines[:1], *about[:1]]).rstrip(".")
    if "Could not find" in reason or "Available options" in str(error):
        options = [line.lstrip("\t ") for line in str(error).splitlines() if line.startswith("\t")]
        reason = f"{lines[0].rstrip('.')}; expected one of: {', '.join(options)}" if options else reason
    return f"{reason}; see python -m dream3d --help"


def command(overrides: Sequence[str]) -> int:
    """One run. Returns the exit code."""
    try:
        settings = composed(overrides)
        if settings.resume is None:
            configuration.check(settings)
        from dream3d.stages import run  # torch is imported only once the command is known to be sound

        run(settings, overrides)
    except UserError as error:
        return failed(error)
    except KeyboardInterrupt:
        return 130
    return 0


def failed(error: Exception) -> int:
    message = " ".join(str(error).split())
    sys.stderr.write(f"dream3d: error: {message}\n")
    return 2


def main() -> None:
    """Entry point of ``dream3d`` and ``python -m dream3d``."""
    words = sys.argv[1:]
    if any(word.split("=")[0] in HYDRA_FLAGS for word in words):
        import hydra

        @hydra.main(config_path=str(configuration.folder().resolve()), config_name="config", version_base="1.3")
        def job(settings: DictConfig) -> None:
            from hydra.core.hydra_config import HydraConfig

            code = command(list(HydraConfig.get().overrides.task))
            if code:
                sys.exit(code)

        job()
        return
    sys.exit(command(words))


if __name__ == "__main__":
    main()
