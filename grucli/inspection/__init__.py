"""What a network does while it reads a text: gates, single units, gradients, and how far back they reach.

`trace` reads a text once and keeps every state; all else is computed from its `Trace`. Nothing here prints.
"""
