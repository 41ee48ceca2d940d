"""The Python API: one function per verb, with neither Typer nor rich. `import grucli` gives it.

The commands of `gru` call the same functions. Long work reports to a callback (`on_event`, `on_progress`) and returns a
value; values know their JSON (`to_json()`). Options that a command has as well are in one dataclass for both:
`GenerationConfig`, `TrainOptions`, `FetchOptions`, `RuleConfig`.
"""
