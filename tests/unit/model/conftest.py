"""The networks and folders of radiographs that these tests share."""

from tests.support.networks import images, network, radiographs, state_dict_file

__all__ = ["images", "network", "radiographs", "state_dict_file"]
