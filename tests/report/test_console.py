import io

from rich.console import Console

from dream3d.report.console import Bar, say, summary


def log_file() -> Console:
    return Console(file=io.StringIO(), force_terminal=False, width=60)


def said(console: Console) -> list[str]:
    return console.file.getvalue().splitlines()


class Counted(float):
    """A loss of 0.5 that counts how often it is read."""

    reads = 0

    def __float__(self) -> float:
        self.reads += 1
        return 0.5


def test_a_log_file_gets_a_line_every_tenth():
    console = log_file()
    with Bar(console, "field", total=200) as bar:
        for step in range(200):
            bar.update(step + 1, 0.25)
    lines = said(console)
    assert [line.split()[1] for line in lines] == [f"{20 * i}/200" for i in range(1, 11)]
    assert all("loss 0.25" in line and "steps/s" in line and "ETA 0:0" in line for line in lines)


def test_few_steps_give_few_lines_and_a_resumed_run_starts_where_it_is():
    console = log_file()
    with Bar(console, "field", total=3) as bar:
        for step in range(3):
            bar.update(step + 1, 0.0)
    with Bar(console, "mesh", total=10, begin=8) as bar:
        bar.update(9, 0.0)
        bar.update(10, 0.0)
    assert [line.split()[1] for line in said(console)] == ["1/3", "2/3", "3/3", "9/10", "10/10"]


def test_rate_counts_only_the_steps_of_this_run(monkeypatch):
    seconds = iter([100.0, 102.0, 102.0])
    monkeypatch.setattr("dream3d.report.console.time.monotonic", lambda: next(seconds))
    console = log_file()
    with Bar(console, "field", total=100, begin=50) as bar:
        bar.update(60, 0.0)
    assert "5 steps/s" in said(console)[0] and "ETA 0:00:08" in said(console)[0]


def test_a_terminal_gets_one_bar_and_the_loss_is_read_rarely():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    loss = Counted()
    with Bar(console, "a [b] field", total=1000) as bar:
        for step in range(1000):
            bar.update(step + 1, loss)
    text = console.file.getvalue()
    assert "1000/1000" in text and "a [b] field" in text and "loss 0.5" in text
    assert loss.reads <= 20


def test_lines_are_neither_wrapped_nor_marked_up():
    console = log_file()
    say(console, "[red]" + "x" * 200)
    assert said(console) == ["[red]" + "x" * 200]


def test_summary_names_files_stages_and_place(tmp_path):
    (tmp_path / "mesh.glb").write_bytes(bytes(2_500_000))
    console = log_file()
    summary(
        console,
        "a [corgi]",
        tmp_path,
        files={"mesh.glb": "textured mesh"},
        stages={"field": 100.0, "mesh": 20.5},
        warnings=["thin"],
        gradient_norms={"distill": 12.345, "image": 0.5},
    )
    text = console.file.getvalue()
    assert '"a [corgi]"' in text and "mesh.glb" in text and "2.5 MB" in text
    assert "field 100.0 s, mesh 20.5 s; 120.5 s in all" in text
    assert "gradient norms (median): distill 12.3, image 0.5" in text
    assert "warning: thin" in text and f"in {tmp_path}" in said(console)
