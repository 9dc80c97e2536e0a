"""The figures of docs/performance.md: `python -m benchmarks` measures each beside its yardstick.

MODEL        the bare network on ready tensors                       model.py
DECODE       stored values to tensor, beside pydicom and Pillow      decode.py
STAGES       processor time of each stage around the network         stages.py
PREDICT      `gateway predict` on a folder                           predict.py
RECEIVE      C-STORE to disk, beside DCMTK's storescp                receive.py
END TO END   C-STORE to the SR in a receiving storescp, and memory   end_to_end.py
NAIVE        everything in the C-STORE handler, the yardstick        naive.py
SCALING      1, 2, 4, … workers and receivers, a command of its own  scaling.py
UPGRADE      from the schema of 0.1.0, a command of its own         upgrade.py
DURABILITY   the same gateway with and without fsync                 durability.py
DELIVER      results to a PACS after an outage, beside dcmsend       delivery.py
RESTART      start after kill -9 to the first answer, memory         restart.py
IDLE         processor time of a gateway without work                idle.py
WEB          pages with 100,000 images, while images are received    web.py
"""
