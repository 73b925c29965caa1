"""The course as pages that open from a folder, without Python or network: `effdet-lite site`."""
