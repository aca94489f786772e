"""The dataset pipeline."""
