"""Side-by-side measurements against what a user would pick instead. Not needed to use or test the program.

    python -m pip install -e . -r benchmarks/requirements.txt
    python -m benchmarks                 # everything; prints the table, writes benchmarks/results/
    python -m benchmarks.recipes         # what recipes of training learn; see docs/recipes.md

Each side is a process of its own that sleeps while the other works; they take turns for several rounds, and what is
reported is the median of the ratios of neighboring rounds.
"""
