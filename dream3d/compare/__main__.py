"""The command that compares: runs and a report.

python -m dream3d.compare prompt="a corgi" distill=[sds,sjc,vsd,csd] seeds=[0,1,2]
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from dream3d.compare.settings import read
from dream3d.errors import reported


def command(words: Sequence[str]) -> int:
    """One comparison. Returns the exit code: 0, 2 for a mistake (one line on stderr), 130 after Ctrl-C."""
    return reported(lambda: compared(words, Console()))


def compared(words: Sequence[str], console: Console) -> None:
    """Run what is not there yet, then write the report from what there is.

    Raises:
        UserError: something the user can mend, before anything is run.
    """
    request = read(words)
    from dream3d.compare.grid import cells, existing

    settings, root = request.settings, Path(request.settings.out).expanduser()
    planned = cells(request) if settings.runs is None else existing(settings.runs, root)
    from dream3d.compare import clip  # torch is imported only once the command is known to be sound
    from dream3d.compare.estimate import foretell
    from dream3d.compare.launch import check_launcher, launch
    from dream3d.compare.priors import Priors
    from dream3d.compare.progress import Progress
    from dream3d.compare.report import write_report
    from dream3d.compare.work import done, failure, ran, work
    from dream3d.report.console import say

    check_launcher(request.launcher)
    if settings.clip is not None:
        clip.load(settings.clip)
    if request.launcher:
        launch(planned, settings, request.launcher)
    else:
        prior_of = Priors()
        left = [c for c in planned if not done(c) and (settings.retry or not failure(c))]
        to_run = [c for c in left if not ran(c)]
        expected, problems = foretell(to_run, prior_of, console)
        if problems and len(problems) == len({cell.variant for cell in planned}):
            raise problems[0]  # nothing can begin
        try:
            work(planned, settings, prior_of, Progress(console, planned, expected))
        except KeyboardInterrupt:
            write_report(planned, settings, words)
            say(console, "stopped; the same command goes on from here")
            raise
    index = write_report(planned, settings, words)
    say(console, f"report: {index}")


def main() -> None:
    """Entry point of ``python -m dream3d.compare``."""
    sys.exit(command(sys.argv[1:]))


if __name__ == "__main__":
    main()
