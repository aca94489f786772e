"""What rustc says about crates that nobody vouches for, asked in the sandbox."""
