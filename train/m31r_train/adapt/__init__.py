"""Fine-tuning on the user's own crate, on the user's own machine."""
