"""What an operator of a deployed stage runs."""
