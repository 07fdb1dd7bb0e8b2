"""What an operator of a deployed stage runs: `python -m ops --help` lists the commands."""
