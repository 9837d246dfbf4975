"""Whether figures can be drawn, and how they look meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from cryofocus.errors import InputError
from cryofocus.extras import install_command


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def require_plots(what: str) -> None:
    """Refuse to draw without matplotlib.

    Args:
        what: The option or function that needs it.

    Raises:
        InputError: When it is not installed; says how to install it.
    """
    if not can_plot():
        raise InputError(
            f"{what}: needs matplotlib, which is not installed. Install it with: "
            f"{install_command('plots')}"
        )


@contextmanager
def plotting(what: str) -> Iterator[None]:
    """Apply the style of all figures while they are made.

    Args:
        what: The function that needs matplotlib.

    Raises:
        InputError: When matplotlib is not installed.
    """
    require_plots(what)
    from cryofocus.report.figures.style import drawing

    with drawing():
        yield
