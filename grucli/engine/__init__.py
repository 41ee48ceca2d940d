"""One step of a network on some hardware."""
