"""Settings of a route: which images, to which destinations."""

from __future__ import annotations

from fnmatch import fnmatchcase

from pydantic import field_validator

from gateway.rules.condition import Condition, parse
from gateway.settings.section import Section


class Route(Section):
    """Images from a calling AE title (`*` and `?` are wildcards) that meet a condition go to destinations."""

    calling_ae_title: str = "*"
    """Pattern of the calling AE title; * and ? are wildcards."""
    when: str | None = None
    """Condition on the image's header, such as Modality == 'DX' and PatientAge >= 18; null: none."""
    to: tuple[str, ...]
    """Names of the destinations."""

    @field_validator("when")
    @classmethod
    def _is_condition(cls, when: str | None) -> str | None:
        if when is not None:
            parse(when)
        return when

    @property
    def condition(self) -> Condition | None:
        """The condition on the header, None where there is none."""
        return None if self.when is None else parse(self.when)

    def is_from(self, calling_ae_title: str) -> bool:
        """Tell whether the calling AE title fits."""
        return fnmatchcase(calling_ae_title, self.calling_ae_title.replace("[", "[[]"))
