"""How a model is fitted: starts, batches, schedules, and the signs of a training gone wrong."""
