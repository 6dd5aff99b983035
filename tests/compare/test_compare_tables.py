import csv
import io

from dream3d.compare.table import Column, Entry
from dream3d.compare.tables import as_csv_table, as_latex, escaped, latex_number

COLUMNS = [
    Column("fog", "fog", "", "low", "about"),
    Column("seconds", "time_in all", "s", "", "about"),
    Column("iou", "IoU", "", "high", "about"),
]
ENTRIES = {
    "sds": {
        "fog": Entry(0.0123, 0.001, 4, None, best=True),
        "seconds": Entry(12.0, None, 4, None),
        "iou": Entry(None, None, 0, "no reference"),
    },
    "csd & vsd": {
        "fog": Entry(2e-6, 1e-7, 4, None),
        "seconds": Entry(None, None, 0, "failed"),
        "iou": Entry(None, None, 0, "no reference"),
    },
}


def test_latex():
    """What is measured nowhere is left out."""
    assert as_latex(ENTRIES, COLUMNS).splitlines() == [
        r"% \usepackage{booktabs}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r" & sds & csd \& vsd \\",
        r"\midrule",
        r"fog $\downarrow$ & $\mathbf{0.0123 \pm 0.001}$ & $2 \cdot 10^{-6} \pm 1 \cdot 10^{-7}$ \\",
        r"time\_in all [s] & $12$ & -- \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_every_special_letter_is_escaped():
    assert escaped("a{}~^\\$#") == r"a\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}\$\#"
    assert latex_number(1234.0) == "1234" and latex_number(0.5) == "0.5"


def test_csv_has_numbers_in_full_and_reasons():
    lines = list(csv.DictReader(io.StringIO(as_csv_table(ENTRIES, COLUMNS))))
    assert len(lines) == 6
    assert lines[0]["mean"] == "0.0123" and lines[0]["runs"] == "4" and lines[0]["missing"] == ""
    assert lines[4]["mean"] == "" and lines[4]["missing"] == "failed" and lines[4]["variant"] == "csd & vsd"
