"""The longer experiments of the course, each a module that is also a command.

For instance `python -m effdet_lite.experiments.necks`; `--help` says what it trains.
"""
