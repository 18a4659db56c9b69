"""A counter that many threads add to loses nothing."""

from __future__ import annotations

import threading

from poolviz.load.counter import Counter


def test_nothing_is_lost_however_many_add_and_however_often_it_is_read() -> None:
    counter = Counter()
    start = threading.Barrier(9)

    def add() -> None:
        start.wait()
        for _ in range(20_000):
            counter.add()

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    start.wait()
    looks = [counter.total() for _ in range(1000)]
    for thread in threads:
        thread.join()
    assert looks == sorted(looks)
    assert counter.total() == counter.total() == 160_000
