"""What needs a browser. A package, so that its tests share one JupyterLab, which ends with them."""
