"""`gateway predict`: answers for files, without a network and without a ledger."""

from __future__ import annotations

import gc
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.console import counted
from gateway.commands.options import Config
from gateway.files.folders import check_writable

MOST_PASSES = 8  # at once: each holds a batch of decoded images


def predict(
    paths: Annotated[list[Path], typer.Argument(help="DICOM, PNG or JPEG files, or folders.")],
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Write the SR and SC of DICOM files below this folder.")
    ] = None,
    config: Config = None,
) -> None:
    """Answer for files, one JSON line each on standard output."""
    gc.disable()  # imports leave no garbage
    from gateway.configuration.settings_file import load_settings
    from gateway.files.folders import find_files
    from gateway.worker.inference import open_predictor

    settings = load_settings(config)
    files = find_files(paths)
    if out_dir is not None:
        check_writable(out_dir, "--out")
    passes = min(len(os.sched_getaffinity(0)), MOST_PASSES)
    with ThreadPoolExecutor(1, "model") as beside:
        opening = beside.submit(open_predictor, settings, passes_at_once=passes)
        from gateway.worker.predict import predict_files, write_results

        predictor = opening.result()
    gc.freeze()
    gc.enable()
    failed = False
    with counted("predicting", len(files)) as advance:
        for prediction in predict_files(files, predictor, settings, with_results=out_dir is not None):
            line = prediction.line
            if out_dir is not None:
                line |= write_results(prediction, out_dir)
            sys.stdout.write(json.dumps(line) + "\n")  # escaped: a file's name need not be Unicode
            sys.stdout.flush()
            failed |= prediction.failed
            advance()
    if failed:
        raise typer.Exit(1)
