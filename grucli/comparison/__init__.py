"""Comparison of cells: networks of equal size, trained in turns on the same text, and what the difference is worth.

The runs are those of `grucli.training`; nothing here prints, and `ui` renders the events.
"""
