"""A model on servers that speak the Open Inference Protocol, version 2 (KServe, Triton, OVMS, MLServer).

`worker.pipeline.open_predictor` opens it where the settings say `model.kind: remote`. A server sees tensors
and a random number for each request, nothing of an image's header. Neither PyTorch nor OpenVINO is imported.
"""
