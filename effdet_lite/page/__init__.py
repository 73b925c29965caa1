"""A trained detector as a folder for a browser: opened by double click, without Python, a server or
a network. `build_page` in `building.py` makes it; the page's own files stand in `parts/`.
"""
