"""INFER: the classifier, its weights and its card."""

import os

# Torch's threads sleep while they wait for each other. By default they spin, and take from the codecs, the
# encoders and the receiver the very core that they wait for. Read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
