"""Parts of one piece of work: all are done, whoever does them, and errors come back."""

from __future__ import annotations

import threading

import pytest

from cryofocus.kernels.parts import do_parts


@pytest.mark.parametrize("n_parts", [1, 2, 5])
def test_every_part_is_done_once(n_parts: int) -> None:
    """Each part is called with its number, and all are done when the call returns."""
    done = [0] * n_parts

    def work(part: int) -> None:
        done[part] += 1

    do_parts(work, n_parts)
    assert done == [1] * n_parts


def test_parts_are_done_side_by_side() -> None:
    """Two parts that wait for each other are both done."""
    both = threading.Barrier(2, timeout=10)
    do_parts(lambda _: both.wait() and None, 2)


def test_who_asks_does_what_no_thread_has_begun() -> None:
    """Where the only other thread is held up by another caller, nobody waits for it."""
    begun, let_go = threading.Event(), threading.Event()
    done: list[tuple[int, int]] = []

    def hold(part: int) -> None:
        if part:
            begun.set()
        assert let_go.wait(10)

    other = threading.Thread(target=do_parts, args=(hold, 2))
    other.start()
    try:
        assert begun.wait(10)
        do_parts(lambda part: done.append((part, threading.get_ident())), 2)
    finally:
        let_go.set()
        other.join()
    assert done == [(0, threading.get_ident()), (1, threading.get_ident())]


@pytest.mark.parametrize("faulty", [0, 1])
def test_errors_of_parts_are_raised(faulty: int) -> None:
    """What a part raises is raised to who asked, whichever thread did it."""

    def work(part: int) -> None:
        if part == faulty:
            raise ValueError(part)

    with pytest.raises(ValueError, match=str(faulty)):
        do_parts(work, 2)
