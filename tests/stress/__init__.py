"""What the project withstands, measured: ``python tests/stress``, or a part of it.

A part is a module with ``add_options(parser)`` and ``measure(options) -> figures``, ``passed`` among them. Its figures
go under its name into ``results/robustness.json``, and from there into docs/reliability.md.
"""
