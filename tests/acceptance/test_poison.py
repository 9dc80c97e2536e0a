"""An image that ends or hangs its worker is found, set aside with its reason, and stops nothing else."""

from pathlib import Path

import pytest

from tests.support.gateway_process import running, wait_for
from tests.support.sources import dx, encoded


@pytest.mark.parametrize(
    "fault",
    ["poison", pytest.param("hanging", marks=pytest.mark.nightly)],
)
def test_a_poison_image_fails_alone(tmp_path: Path, fault: str) -> None:
    files = []
    for number in range(4):
        image = dx(ImageComments="POISON" if number == 1 else "harmless")
        files.append(tmp_path / f"{number}.dcm")
        files[-1].write_bytes(encoded(image))
    with running(tmp_path, doubles=[fault, "instant"]) as gateway:
        assert all(sent.stored for sent in gateway.send(*files))
        wait_for(lambda: len(gateway.images("delivered")) == 3)
        (failed,) = wait_for(lambda: gateway.images("failed"))
        assert failed["reason"] == "poison"
        assert gateway.stop() == 0
