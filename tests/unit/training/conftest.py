"""The networks and folders of radiographs that these tests share; torch repeats every warning."""

import torch

from tests.support.networks import images, network, radiographs, state_dict_file

__all__ = ["images", "network", "radiographs", "state_dict_file"]

torch.set_warn_always(True)  # a warning told once a process would fail whichever test comes first
