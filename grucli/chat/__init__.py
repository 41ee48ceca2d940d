"""A dialogue with a model: turns, the path of states, commands. Knows no screen: it yields events, `ui` draws them."""
