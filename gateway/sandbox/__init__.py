"""Sandbox: runs decoding and predictions in a separate process with limits on time and memory.

The worker, `POST /predict` and the viewer use it. A crash or hang of the work ends only the sandbox.
"""
