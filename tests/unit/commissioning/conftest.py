"""The network that these tests share."""

from tests.support.networks import network

__all__ = ["network"]
