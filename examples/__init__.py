"""One params file for each kind of task, and the script that makes their data."""
