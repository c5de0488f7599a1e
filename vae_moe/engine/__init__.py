"""Keras' training made fast and resumable; nothing here knows a model."""
