"""Training and evaluation of the model: `gateway train` and `gateway evaluate` load this package lazily.

Nothing else in the gateway imports it. `train` reads a recipe and writes weights, card, figures and plots.
The same recipe, images and seed give the same model on the same hardware.

course     before.py train.py stage.py average.py finish.py publish.py lung_training.py
images     samples.py tables.py descriptions.py duplicates.py pixels.py image_set.py batches.py
crops      crops.py shown.py lung_masks.py anatomy.py
views      augmentation.py
networks   networks.py inflated.py lite.py vit.py trunk.py objectives.py
abstention detector.py detector_images.py negatives.py outliers.py refusal.py
figures    validation.py scores.py calibration.py

`recipe/` is the recipe, `evaluation/` measures a finished model.
"""
