"""The README's results table and the page of findings, from a finished benchmark.

python scripts/benchmark_table.py outputs/mini40/report.json --readme README.md --findings docs/findings.md

Each file needs its markers once, <!-- benchmark: begin --> and <!-- benchmark: end -->; what stands between
them is replaced, what stands outside is yours. A page of findings that is not there yet is begun.
"""

import argparse
import json
import sys
from pathlib import Path

from dream3d.compare.markdown import filled, findings, short_table

NAME = "benchmark"
BEGUN = f"# Findings of the benchmark\n\n<!-- {NAME}: begin -->\n<!-- {NAME}: end -->\n"


def main(words: list[str] | None = None) -> int:
    """Write the files that were named. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path, help="report.json of python -m dream3d.compare")
    parser.add_argument("--readme", type=Path, help="file for the short table")
    parser.add_argument("--findings", type=Path, help="file for the whole page")
    told = parser.parse_args(words)
    try:
        report = json.loads(told.report.read_text(encoding="utf-8"))
        for file, body, begun in (
            (told.readme, short_table, None), (told.findings, findings, BEGUN)
        ):  # fmt: skip
            if file is not None:
                there = begun is None or file.is_file()
                text = file.read_text(encoding="utf-8") if there else begun
                file.write_text(filled(text, NAME, body(report)), encoding="utf-8")
                print(f"{file}: written")
    except (OSError, ValueError) as error:
        print(f"benchmark_table: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
