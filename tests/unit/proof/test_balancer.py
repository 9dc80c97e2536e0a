"""HAProxy of `gateway prove` and HAProxy of the documents move images in the same way."""

from pathlib import Path

from gateway.proof.cluster.balancer import balancer

SHIPPED = Path(__file__).parents[3] / "deploy" / "haproxy.cfg"
PIPES = ("maxpipes", "tune.pipesize", "option splice-request")


def test_the_proof_moves_images_through_the_pipes_of_the_shipped_configuration(tmp_path: Path) -> None:
    *_, written = balancer(tmp_path, "127.0.0.1", 11112, {})
    assert pipes(Path(written)) == pipes(SHIPPED) != []


def pipes(configuration: Path) -> list[str]:
    lines = (line.strip() for line in configuration.read_text().splitlines())
    return [line for line in lines if line.startswith(PIPES)]
