"""An image that ends or holds its worker is found, set aside with its reason, and stops nothing else."""

from pathlib import Path

import pytest

from tests.gateway_process import running, wait_for
from tests.sources import dx, encoded

HERE = Path(__file__).parent


@pytest.mark.parametrize("harm", ["poison", pytest.param("hang", marks=pytest.mark.slow)])
@pytest.mark.timeout(240)
def test_a_poison_image_fails_alone(tmp_path: Path, harm: str) -> None:
    files = []
    for number in range(4):
        image = dx(ImageComments=harm.upper() if number == 1 else "harmless")
        files.append(tmp_path / f"{number}.dcm")
        files[-1].write_bytes(encoded(image))
    with running(tmp_path, environment={"PYTHONPATH": str(HERE / harm)}) as gateway:
        assert all(sent.stored for sent in gateway.send(*files))
        wait_for(lambda: len(gateway.ask("list", "--state", "delivered")) == 3, 200)
        (failed,) = wait_for(lambda: gateway.ask("list", "--state", "failed"), 200)
        assert failed["reason"] == "poison"
        assert gateway.stop() == 0
