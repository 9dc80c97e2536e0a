"""The section `worker`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.section import Section


class Worker(Section):
    """Use of the processor by a worker."""

    sandboxes: Literal["auto"] | Annotated[int, Field(ge=1, le=256)] = "auto"
    """Processes of each worker that decode images and encode results, 1 to 256; auto: half of the cores,
    shared among the workers."""
