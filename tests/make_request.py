"""What the fixture `ask` of the workflows' tests gives."""

from __future__ import annotations

from collections.abc import Callable

from cryofocus.workflows.classify.request import ClassifyRequest

MakeRequest = Callable[..., ClassifyRequest]
