from fanout.view.commands import Commands


def test_commands_can_be_copied() -> None:
    """Each names all that it needs, quoted for the shell."""
    assert Commands().status("r") == "fanout status r"
    assert Commands(("--store", "/my runs")).resume("r") == "fanout resume r --store '/my runs'"
    assert Commands().logs("r", "s", 0, "process001") == "fanout logs r --step s --node 0 --process process001"
    assert Commands().logs("r", "s") == "fanout logs r --step s"
