"""Inside the host: starts the exporter in every way and checks what it shows against the kernel's files and docker stats.

`python3 -m check [NAME]...` prints a line per check, and `N passed, N failed, N skipped` at the end.
"""
