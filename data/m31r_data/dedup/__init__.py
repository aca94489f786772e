"""Finding documents that are the same, or nearly: sketches, candidates by LSH, and a decision."""
