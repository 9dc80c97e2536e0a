"""An image that ends its worker process is found, set aside with its reason, and stops nothing else."""

from pathlib import Path

from tests.gateway_process import running, wait_for
from tests.sources import dx, encoded

POISON = Path(__file__).parent / "poison"


def test_a_poison_image_fails_alone(tmp_path: Path) -> None:
    files = []
    for number in range(4):
        image = dx(ImageComments="POISON" if number == 1 else "harmless")
        files.append(tmp_path / f"{number}.dcm")
        files[-1].write_bytes(encoded(image))
    with running(tmp_path, environment={"PYTHONPATH": str(POISON)}) as gateway:
        assert all(sent.stored for sent in gateway.send(*files))
        wait_for(lambda: len(gateway.ask("list", "--state", "delivered")) == 3)
        (failed,) = wait_for(lambda: gateway.ask("list", "--state", "failed"))
        assert failed["reason"] == "poison"
        assert gateway.stop() == 0
