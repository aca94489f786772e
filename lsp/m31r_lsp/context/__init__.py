"""What other files say that helps at the cursor: found, ranked, fitted to a budget."""
