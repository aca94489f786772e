"""Make task files of real crates: what is cut, what is left out, and what is written."""
