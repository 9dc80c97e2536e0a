"""INFER: the classifier, its weights, its card and its abstention.

The worker, `gateway predict`, `gateway evaluate` and training open models here.
"""

import os

# Torch's idle threads sleep. By default they spin, and take cores from the codecs, the encoders and the
# receiver. Torch reads the variable at its first import.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
