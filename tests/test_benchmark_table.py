import json
import runpy
from pathlib import Path

from test_compare_markdown import made

from dream3d.compare.markdown import findings, short_table

MAIN = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "benchmark_table.py"))["main"]


def test_both_files_are_written_and_written_again(tmp_path):
    report, readme, page = (tmp_path / name for name in ("report.json", "README.md", "findings.md"))
    report.write_text(json.dumps(made()))
    readme.write_text("top\n<!-- benchmark: begin -->\n<!-- benchmark: end -->\nbottom\n")
    told = [str(report), "--readme", str(readme), "--findings", str(page)]
    assert MAIN(told) == 0
    content = json.loads(report.read_text())
    assert short_table(content) in readme.read_text() and readme.read_text().endswith("\nbottom\n")
    assert findings(content) in page.read_text() and page.read_text().startswith("# ")
    page.write_text(page.read_text() + "by hand\n")
    first = page.read_text()
    assert MAIN(told) == 0 and page.read_text() == first


def test_a_file_without_markers_is_left_alone(tmp_path, capsys):
    report, readme = tmp_path / "report.json", tmp_path / "README.md"
    report.write_text(json.dumps(made()))
    readme.write_text("no markers")
    assert MAIN([str(report), "--readme", str(readme)]) == 2
    assert "benchmark: begin" in capsys.readouterr().err and readme.read_text() == "no markers"
