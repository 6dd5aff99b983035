"""The API reference as HTML pages, from docstrings and signatures (pdoc; it comes with the extra "dev").

    python scripts/reference.py docs/reference  # then open docs/reference/index.html

A warning (an import that fails, an annotation that cannot be read) ends the build with exit code 1.
"""

import argparse
import pkgutil
import sys
import warnings
from pathlib import Path

import pdoc
import pdoc.render

import dream3d


def complete() -> None:
    """Import what ``dream3d`` imports at first use, and add its subpackages to ``__all__``: pdoc shows only those."""
    vars(dream3d).update({name: getattr(dream3d, name) for name in dream3d.__all__})
    rooms = [module.name for module in pkgutil.iter_modules(dream3d.__path__) if not module.name.startswith("_")]
    vars(dream3d)["__all__"] = (*dream3d.__all__, *rooms)


def build(out: Path) -> list[str]:
    """Write a page for each public module below ``out``. Returns pdoc's warnings."""
    complete()
    pdoc.render.configure(docformat="google", show_source=False, footer_text=f"dream3d {dream3d.__version__}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        pdoc.pdoc("dream3d", output_directory=out)
    return [str(w.message) for w in caught if issubclass(w.category, UserWarning)]


def main(words: list[str] | None = None) -> int:
    """Build the reference. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the pages")
    told = parser.parse_args(words)
    found = build(told.out)
    for message in found:
        print(f"reference: {message}", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
