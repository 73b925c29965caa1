"""Slides and handouts, made from the notebooks as they are stored: `effdet-lite slides`.

`reading` takes a notebook apart, `words` says what of its text is worth a slide, `slides` and
`handout` choose by a rule, `pages` writes, and `runtime` brings reveal.js, which turns the slides.
"""
