"""`gateway export-model`: both networks in a format of model servers, with metadata and parity figures.

Nothing imports it but its command. ONNX needs the extra `export`, TorchScript and ONNX need PyTorch.
"""
