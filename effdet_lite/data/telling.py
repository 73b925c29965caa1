"""How many things of a kind there are, in words."""

ONE = {  # how a reason reads for a single thing
    "images": "image",
    "boxes": "box",
    "files": "file",
    "objects": "object",
    "annotations": "annotation",
    "outlines": "outline",
    "regions": "region",
}


def numbered(count: int, things: str) -> str:
    """So many of these things: numbered(1, "images missing") is "1 image missing"."""
    if count != 1:
        return f"{count} {things}"
    words = things.split()
    place = next((n for n, word in enumerate(words) if word in ONE), None)
    if place is not None:
        words[place] = ONE[words[place]]
    return f"1 {' '.join(words)}".replace("box that are not", "box that is not")
