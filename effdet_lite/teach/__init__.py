"""Teaching aids of the notebooks: figures, explorers, exercise checks. The package itself never
imports them.
"""
