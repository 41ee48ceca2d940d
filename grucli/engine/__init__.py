"""Training, evaluation and inference of a network on some hardware; see `grucli.engine.protocol`."""
