"""What a call shows of a run."""

from fanout.api.progress import Board, StepLine, board_html, choose_display, words_of
from fanout.records.verdict import Counts, Verdict, VerdictStatus


def test_a_step_in_words() -> None:
    """What failed comes first; without counts the reason."""
    assert words_of(StepLine("s")) == "waiting"
    assert words_of(StepLine("s", "running", Counts(20, succeeded=17, failed=3))) == (
        "running: 3 failed, 17 of 20 mini-batches"
    )
    assert words_of(StepLine("s", "running", Counts(None, succeeded=1))) == "running: 1 mini-batches"
    assert words_of(StepLine("s", "skipped", reason="step a did not complete")) == "skipped: step a did not complete"


def test_text_of_users_stays_text_in_html() -> None:
    """Names, reasons and notices are escaped; a reason is shown where the run did not complete."""
    verdict = Verdict(VerdictStatus.FAILED, "<script>alert(1)</script>")
    board = Board("<b>r</b>", {"<i>": StepLine("<i>", "Failed", Counts(2, failed=2))}, verdict, ["a < b"])
    html = board_html(board)
    assert "<script>" not in html
    assert "&lt;i&gt;" in html
    assert "note: a &lt; b" in html
    assert 'value="2" max="2"' in html


def test_nothing_is_drawn_where_nobody_looks() -> None:
    """Neither when that is asked for, nor where stderr is a file, as in tests."""
    for wanted in (False, None):
        assert type(choose_display(wanted)).__name__ == "_Nowhere"


def test_bars_on_a_terminal(capsys: object) -> None:
    """Asked for, they are drawn wherever stderr leads."""
    display = choose_display(True)
    board = Board("r", {"s": StepLine("s", "running", Counts(2, succeeded=1))}, None, ["careful"])
    display.draw(board)
    board.steps["s"] = StepLine("s", "Completed", Counts(2, succeeded=2))
    display.draw(board)
    display.close()
    text = capsys.readouterr().err  # type: ignore[attr-defined]
    assert "note: careful" in text
    assert "Completed: 2 of 2 mini-batches" in text
