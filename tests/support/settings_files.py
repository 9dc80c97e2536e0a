"""Settings files of tests, and what a check tells of them."""

from pathlib import Path

import pytest
import yaml

from gateway.configuration.settings_file import check_settings
from gateway.errors import ConfigurationError


def write(tmp_path: Path, content: object) -> Path:
    """Write settings to a file."""
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def told_of(file: Path) -> list[str]:
    """Return the lines of the check that refuses a file."""
    with pytest.raises(ConfigurationError) as caught:
        check_settings(file)
    return str(caught.value).splitlines()
