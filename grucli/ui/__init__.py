"""The terminal: consoles, safe text, live views, tables, the chat screen. The only room that imports rich."""
