"""Writing with what was learned: options, sampling, beam search, copy detection, evaluation."""
