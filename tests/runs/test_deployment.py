"""Which process takes the place of which: no process is lost, and none ends before its successor
has begun, whatever comes between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poolviz.runs.deployment import Deployment

COUNTS = st.integers(1, 6)
OVERLAPS = st.sampled_from([0.0, 3.0, 100.0])


def carried_out(count: int, overlap: float, dead: set[int] = frozenset()) -> list[tuple[str, str]]:
    """What happens in a deployment of `count` processes, of which those numbers die at its start:
    ("begins", name) and ("ends", name), in order."""
    names = [f"old {number}" for number in range(count)]
    deployment, done, now = Deployment(names, overlap), list[tuple[str, str]](), 0.0
    for number in dead:
        deployment.ended(f"old {number}", failed=False)
    for _ in range(10 * count):
        if deployment.next():
            deployment.newcomer = f"new {len(done)}"
            done.append(("begins", deployment.newcomer))
            deployment.begun(deployment.newcomer, now)
            continue  # another may begin before time passes
        for name in deployment.take_due(now):
            done.append(("ends", name))
            deployment.ended(name, failed=False)
        if deployment.over:
            break
        now = deployment.next_end if deployment.next_end is not None else now
    assert deployment.over
    return done


@given(COUNTS, OVERLAPS)
def test_every_process_ends_after_as_many_have_begun(count: int, overlap: float) -> None:
    done = carried_out(count, overlap)
    assert [name for what, name in done if what == "ends"] == [f"old {n}" for n in range(count)]
    begun = ended = 0
    for what, _ in done:
        begun, ended = begun + (what == "begins"), ended + (what == "ends")
        assert begun >= ended
    assert begun == count


@given(COUNTS)
def test_with_a_long_overlap_all_successors_are_there_before_the_first_one_ends(count: int) -> None:
    what = [each for each, _ in carried_out(count, 100.0)]
    assert what == ["begins"] * count + ["ends"] * count


@given(COUNTS, OVERLAPS, st.data())
def test_processes_that_died_are_not_replaced(
    count: int, overlap: float, data: st.DataObject
) -> None:
    dead = data.draw(st.sets(st.integers(0, count - 1)))
    done = carried_out(count, overlap, dead)
    ended = {name for what, name in done if what == "ends"}
    assert ended == {f"old {number}" for number in range(count) if number not in dead}


def test_a_newcomer_that_fails_ends_the_deployment_and_leaves_the_old_ones() -> None:
    deployment = Deployment(["a", "b"], 0.0)
    assert deployment.next()
    deployment.newcomer = "c"
    assert deployment.besides == {"c"}
    deployment.ended("c", failed=True)
    assert deployment.over
    assert deployment.take_due(1e9) == []


def test_a_newcomer_stays_where_the_process_that_it_was_to_replace_has_died() -> None:
    deployment = Deployment(["a"], 0.0)
    assert deployment.next()
    deployment.newcomer = "b"
    deployment.ended("a", failed=False)
    assert deployment.besides == set()
    deployment.begun("b", 0.0)
    assert deployment.over
