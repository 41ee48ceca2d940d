"""Files in the shapes that people's tools write, with what is right for each.

Every tool has a maker: a function in one of these modules, marked `@tool`, that writes invented text in the tool's
shape and returns an `Export`. To add a tool, add a function. `python -m tests.formats` prints how each is read.
"""
