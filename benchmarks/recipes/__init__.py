"""The laboratory of recipes: which options of `gru train` learn most in so many minutes. See `docs/recipes.md`.

    python -m benchmarks.recipes speed     # on an idle machine: seconds per step of each recipe, in turn
    python -m benchmarks.recipes run       # train what is missing, three seeds each
    python -m benchmarks.recipes table     # the figures so far
    python -m benchmarks.recipes docs      # write them into docs/recipes.md

How good a model gets depends on its number of steps, and not on the load of the machine or the number of threads. So
the seconds per step are measured once, on an idle machine with all cores, the recipes in turn. A run then takes exactly
the steps that fit into its minutes at that speed, however busy the machine is by then: runs may share it (`--jobs`).
With `--wall-clock` a run takes what it can in its minutes.

The results are lines of JSON, one per finished run, in `benchmarks/results/recipes.jsonl`; a run that is there is not
repeated, so the laboratory can be killed and started again at any time. The texts are in `texts.py`, the recipes in
`recipes.py`.
"""
