"""What `/help NAME` says of a command beyond its line in the list, and a line to try it with."""

COMMAND_DETAILS: dict[str, tuple[str, str]] = {
    "regen": ("The reply before stays in /tree; /rewind goes back to it.", "/regen"),
    "spread": (
        "Numbers are temperatures, up to six; words behind them are your line. Without words it is the last reply that "
        "is drawn again. Nothing is said until /pick takes one.",
        "/spread 0.3 0.8 1.2 How are you?",
    ),
    "best": (
        "Each candidate has a seed of its own, and two figures. bits/char is how surprising it is to the model, end "
        "included. score is half the bits/char that its text would have with nothing said before, less those that it "
        "has here: the higher, the more the dialogue makes it likely, so that what fits any line ranks low.",
        "/best 10 What do you think?",
    ),
    "peek": (
        "A number alone is how many rows, else 10. Percentages are the chances that the next draw has, with the "
        "settings that are in force. After /pick, Enter alone goes on from there.",
        "/peek 20",
    ),
    "pick": ("What was offered stays on offer until something else is said.", "/pick 2"),
    "undo": ("What is taken back stays in /tree, and /rewind goes there again.", "/undo 2"),
    "rewind": (
        "To a number, it takes the branch you are on along; to the name of a branch, it goes where that one ends.",
        "/rewind main",
    ),
    "fork": ("What is said next belongs to the new branch. Without a name it gets one.", "/fork kinder"),
    "tree": ("Numbers are what /rewind takes; names are branches, at the turn where they end.", "/tree"),
    "score": (
        "Bits are at temperature 1, a piece of text at a time. The end of a reply has no text and is not counted, so "
        "the figure may differ a little from the one under a reply.",
        "/score I had a lovely weekend.",
    ),
    "gates": ("The mean over all units and layers, a piece of text at a time.", "/gates I had a lovely weekend."),
    "cmd": (
        "A line for your shell: the same model, texts, settings and seed, and so the same reply. Where that is not "
        "certain, as after the model has changed, it says so.",
        "/cmd",
    ),
    "model": ("One of the same kind hears what was said so far; any other begins a new session.", "/model demo"),
    "save": ("A session without a name goes once there are a hundred newer ones.", "/save holidays"),
    "load": ("It goes on where it was left, with its model and settings.", "/load holidays"),
    "set": ("The same as the command of that name: /set temp 0.3 is /temp 0.3.", "/set temp 0.3"),
    "temp": ("The chances are sharpened below 1, flattened above; 0 always takes the likeliest.", "/temp 0.5"),
    "mirostat": (
        "After each token it moves a bound on how surprising the next may be, so that they come to N bits on average: "
        "neither dull nor confused, however long the reply.",
        "/mirostat 3",
    ),
    "relevance": (
        "From each token's log chance, N times the one that it would have in answer to nothing is taken off. What "
        "could be said to anybody, such as 'I don't know', becomes rarer; too much makes replies odd.",
        "/relevance 0.3",
    ),
    "beam": ("Nothing is drawn then: temperature, cut-offs, mirostat and seed mean nothing.", "/beam 8"),
    "stop": (r"Each /stop adds one. The text is no part of the reply; \n is a new line, \\ a backslash.", r"/stop \n"),
    "block": ("Each /block adds one, in any case; word* is all that begins so.", "/block damn*"),
    "seed": ("Each reply that is drawn takes the next one.", "/seed 42"),
}
