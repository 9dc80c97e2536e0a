"""One gateway with default settings and a model that answers at once, for all tests that need no other."""

from collections.abc import Iterator

import pytest

from tests.support.gateway_process import GatewayProcess, running


@pytest.fixture(scope="session")
def one_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with running(tmp_path_factory.mktemp("gateway"), doubles=["instant"]) as gateway:
        yield gateway


@pytest.fixture
def gateway(one_gateway: GatewayProcess) -> GatewayProcess:
    """The gateway, running: started again where an earlier test has ended it; its log begins anew."""
    return one_gateway.begin_test()
