"""What the command line's words do."""
