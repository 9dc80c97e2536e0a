"""CXR Gateway: chest radiographs in over DICOM, research-only results back into the study.

RECEIVE    association, C-STORE       receive/   bytes fsynced and row committed, then 0x0000
SELECT     header -> eligible?        imaging/   Eligible | Ineligible(reason code)
DECODE     pixels -> grey image       imaging/   uint16 (rows, columns), MONOCHROME2, each step recorded
PREPROCESS grey image -> tensor       imaging/   float32 (3, 224, 224), mean and std 0.5, as in training
INFER      tensor -> prediction       model/     P(pneumonia), answer, class activation map
ENCODE     prediction -> SR and SC    results/   encoded once, fsynced, registered; never rebuilt
DELIVER    results -> destinations    deliver/   each destination on its own, retried, then dead-lettered
"""

import os

# NumPy's matrix products run in one thread. By default its idle threads spin for 30 ms after each product,
# and take cores from the network and the codecs. NumPy reads the variable at its first import.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.2.0"
