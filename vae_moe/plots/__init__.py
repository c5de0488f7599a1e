"""Pictures of models and scores: arrays in, a matplotlib Figure out."""
