"""INFER: the classifier, its weights, its card and its abstention.

The worker, `gateway predict`, `gateway evaluate` and training open models here.
"""

import os
import sys
from typing import Any, cast

# Torch's idle threads sleep. By default they spin, and take cores from the codecs, the encoders and the
# receiver. Torch reads the variable at its first import.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# OpenVINO's converter is not imported: the network is built from its weights (`openvino_graph`), and the
# converter would load a client that reports usage to its maker.
sys.modules.setdefault("openvino.tools.ovc", cast(Any, None))
