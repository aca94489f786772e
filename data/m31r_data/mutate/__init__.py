"""Breaking code that compiles, in the ways that people break it, to learn how it is mended."""
