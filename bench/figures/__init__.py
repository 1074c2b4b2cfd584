"""One module per figure: `measure(bench)` returns its rows. README.md says what a module looks like."""
