"""The cleaning rules: pure functions that drop a comment, with a reason, or change its text. `registry` lists them."""
