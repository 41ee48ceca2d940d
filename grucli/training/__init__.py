"""Training: a plan becomes a run, and a run is an iterator of events. Nothing here prints; `ui` draws the events.

`plan` is what was asked for and the defaults; `schedule` the learning rate; `optimiser` AdamW and clipping;
`checkpoint` the file that a run goes on from; `loop` ties them together; `signals` is how a run is asked to stop.
"""
