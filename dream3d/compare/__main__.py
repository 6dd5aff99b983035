"""``python -m dream3d compare``: several runs and a report that compares them.

    python -m dream3d compare prompt="a corgi" distill=[sds,sjc,vsd,csd] seeds=[0,1,2]

Groups (distill, field, prior) given as a list are compared. The keys below belong to the comparison; any other
key=value goes to every run.

"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from dream3d.cli.commands import HELP_FLAGS, written
from dream3d.cli.errors import reported
from dream3d.cli.threads import spin_briefly
from dream3d.compare.settings import Request, Settings, listed, read
from dream3d.run import config as configuration

if TYPE_CHECKING:
    from dream3d.compare.grid import Cell


def command(words: Sequence[str]) -> int:
    """Compare, or print help. Returns the exit code: 0, 2 for a user error (one line on stderr), 130 after Ctrl-C."""
    spin_briefly()
    if not words or HELP_FLAGS.intersection(words):
        keys = (configuration.folder() / "compare.yaml").read_text(encoding="utf-8")
        sys.stdout.write(f"{written(__doc__)}\n{keys}")
        return 0
    return reported(lambda: compared(words, Console()))


def compared(words: Sequence[str], console: Console) -> None:
    """Carry out the runs that are missing, then write the report.

    Raises:
        UserError: something the user can fix, before anything runs.
    """
    request = read(words)
    from dream3d.compare.grid import cells, existing
    from dream3d.compare.shards import shard_of

    settings, root = request.settings, Path(request.settings.out).expanduser()
    if settings.shard is not None:
        shard_of(settings.shard)  # a wrong one is said before anything is planned
    if settings.collect is not None:
        return collected(settings, console)
    planned = cells(request) if settings.runs is None else existing(settings.runs, root)
    from dream3d.compare.launch import check_launcher  # torch is imported only once the command has been validated
    from dream3d.compare.report import opened
    from dream3d.report.console import say

    check_launcher(request.launcher)
    opened(settings)
    try:
        carry_out(planned, request, words, console)
    except KeyboardInterrupt:
        told(planned, settings, words, console)
        say(console, "interrupted; rerun the same command to resume")
        raise
    if not settings.estimate_only:
        told(planned, settings, words, console)
    return None


def told(planned: "Sequence[Cell]", settings: Settings, words: Sequence[str], console: Console) -> None:
    """Write the report and exports; for a shard, only once all other shards are done."""
    from dream3d.compare.exports import write_exports
    from dream3d.compare.report import write_report
    from dream3d.compare.work import done, failure
    from dream3d.report.console import say

    left = sum(not done(cell) and failure(cell) is None for cell in planned)
    if settings.shard is not None and left:
        return say(console, f"{left} runs are left to other shards; the last shard writes the report")
    say(console, f"report: {write_report(planned, settings, words)}")
    for folder in write_exports(planned, settings):
        say(console, f"export: {folder}")
    return None


def carry_out(planned: "Sequence[Cell]", request: Request, words: Sequence[str], console: Console) -> None:
    """Print the estimate, then run and measure what is missing: in this process, or in several workers."""
    from dream3d.compare.estimate import estimate_runs
    from dream3d.compare.launch import launch, processes, workers_of
    from dream3d.compare.progress import Progress
    from dream3d.compare.shards import shard_of, turns
    from dream3d.compare.work import done, failure, forget_failures, ran, work
    from dream3d.report.console import say
    from dream3d.run.shared_prior import Priors

    settings, prior_of = request.settings, Priors()
    if settings.shard is not None:
        shard = shard_of(settings.shard)
        mine = turns(planned, shard, settings.steal)
        return work(mine, settings, prior_of, Progress(console, mine, {}, f"shard {shard[0]}/{shard[1]}: "))
    workers = workers_of(settings, request.launcher)
    left = [c for c in planned if not done(c) and (settings.retry or not failure(c))]
    expected, problems = estimate_runs([c for c in left if not ran(c)], settings, prior_of, console, workers)
    if problems and len(problems) == len({cell.variant for cell in planned}):
        raise problems[0]  # no variant can start
    if settings.estimate_only:
        return None
    if workers == 1 and not request.launcher:
        return work(planned, settings, prior_of, Progress(console, planned, expected))
    del prior_of  # each worker loads its own prior prior
    say(console, f"{len(planned) - len(left)} of {len(planned)} runs were tried before, {len(left)} remain")
    forget_failures(left)  # so that each is retried once, not by every worker
    Path(settings.out).expanduser().mkdir(parents=True, exist_ok=True)
    if left and request.launcher:
        launch(words, settings, request.launcher)
    elif left and (died := processes(words, settings)):
        numbers = ", ".join(map(str, died))
        say(console, f"warning: worker {numbers} died; rerun the same command to resume")
    return None


def collected(settings: Settings, console: Console) -> None:
    """One table of all runs in some folders."""
    from dream3d.compare.collect import collect
    from dream3d.report.console import say

    file, count = collect([str(place) for place in listed(settings.collect)], Path(settings.out).expanduser())
    say(console, f"{count} runs: {file}")


if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))
