"""Training: options become a run, and a run is an iterator of events. Nothing here prints; `ui` renders the events."""
