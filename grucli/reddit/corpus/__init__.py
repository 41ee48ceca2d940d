"""Corpus files: writing, conversations, purging, pseudonyms."""
