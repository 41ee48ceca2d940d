"""The terminal: consoles, sanitizing, live region, progress, wrapping."""
