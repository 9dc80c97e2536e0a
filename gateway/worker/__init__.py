"""Answers images. The data path of a worker is read from `pipeline.Pipeline.answer`.

batches     engine.py answerer.py outcome.py tasks.py worker_id.py
an image    pipeline.py sandboxes.py stages.py image.py inference.py ends.py source_file.py encode.py
what of it  describe.py patient.py pseudonym.py answering.py revision.py plausibility.py
afterwards  reader_reports.py result_rejections.py own_files.py reprocess.py
no worker   predict.py (`gateway predict`)
"""
