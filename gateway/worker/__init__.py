"""Answers images: pipeline, engine, prediction."""
