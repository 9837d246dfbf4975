"""The images of a simulated set, made by several threads and written in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from cryofocus.data.mrc import write_stack
from cryofocus.execution.monitor import Advance
from cryofocus.simulate.image_formation import Camera, chunks
from cryofocus.workflows.simulate.tables import STACK

Judged = TypeVar("Judged")
Made = TypeVar("Made")


def write_images(
    folder: Path,
    make: Callable[[slice], tuple[np.ndarray, Judged]],
    n_particles: int,
    camera: Camera,
    advance: Advance,
    threads: int,
) -> list[Judged]:
    """Write the stack of a set chunk by chunk.

    Args:
        folder: Directory of the set.
        make: Makes the images of a range of particles, and what is judged of them; called from
            several threads.
        n_particles: Number of particles.
        camera: Box and pixel size of the images.
        advance: Told how many particles are done.
        threads: Chunks made at once.

    Returns:
        What is judged of every chunk, in order.

    Raises:
        OutputError: Disk full, no permission.
    """
    judged: list[Judged] = []

    def images() -> Iterator[np.ndarray]:
        for made, said in _in_order(make, chunks(n_particles, camera.box), threads):
            judged.append(said)
            yield made
            advance(len(made))

    write_stack(folder / STACK, images(), n_particles, camera.box, camera.pixel_size_angstrom)
    return judged


def _in_order(
    make: Callable[[slice], Made], rows: Iterable[slice], threads: int
) -> Iterator[Made]:
    """Yield what is made of every range of particles, a few of them ahead.

    Each thread multiplies small matrices; BLAS's own threads would mostly wait for each other,
    at six times the processor time.
    """
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Made]] = deque()
        for chunk in rows:
            waiting.append(pool.submit(make, chunk))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
