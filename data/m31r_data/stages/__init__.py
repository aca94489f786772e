"""The steps that datatrove's executors run, one stage of the build a file."""
