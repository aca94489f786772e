"""The subcommands of `m31r-eval`, one file each: its options, and what it does with them."""
