"""The tasks of the papers that compared recurrent cells, repeated: `gru compare --suite papers`."""
