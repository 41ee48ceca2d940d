"""Bytes to rows: sources, compression, JSON Lines, tables, Parquet, and which field is the text."""
