"""Which names exist: in the file, the workspace, its dependencies, the standard library."""
