"""The longer experiments of the course, each a module: `python -m effdet_lite.experiments.necks`."""
