"""Examples made from code that compiles: middles to fill in, and plans."""
