"""What every other component may use."""
