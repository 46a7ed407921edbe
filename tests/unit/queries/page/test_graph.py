"""Where steps stand in a drawing, and which of them the end of a run waited for."""

from fanout.queries.page.graph import critical_path, layout

AFTER = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "alone": ()}


def test_a_step_is_right_of_what_it_comes_after() -> None:
    """And no two are in one place."""
    places = layout(AFTER)
    assert {name: column for name, (column, _) in places.items()} == {"a": 0, "alone": 0, "b": 1, "c": 1, "d": 2}
    assert len(set(places.values())) == len(places)


def test_the_critical_path_goes_back_by_what_ended_last() -> None:
    """From the step that ended last; without ends there is none."""
    assert critical_path(AFTER, {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "alone": 0.5}) == ("a", "c", "d")
    assert critical_path(AFTER, {}) == ()
