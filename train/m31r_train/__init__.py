"""Tokenizer training and pretraining."""
