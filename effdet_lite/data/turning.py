"""Which way a turned picture was annotated.

EXIF says that a viewer should turn a picture. Some tools annotate it as it is shown, some as it is
stored in the file, and some write the one's size and the other's boxes. It cannot always be known,
so what was decided is told.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from effdet_lite.data.pictures import Look

SHOWN, STORED = "shown", "stored"
OTHER = {SHOWN: STORED, STORED: SHOWN}
TOLERANCE = 1.0  # pixels that a box may stand out


def ways(
    sizes: Sequence[tuple[int, int] | None], boxes: Sequence[np.ndarray], looks: Sequence[Look]
) -> list[str]:
    """SHOWN or STORED for each turned picture: how its boxes are to be read.

    sizes: (width, height) as annotated, or None; boxes: [n, 4] xyxy, as annotated.
    The annotated size tells, unless boxes leave it and fit the other way's size; where neither
    tells, the other pictures of the data do, and at last it is taken as shown.
    """
    said = [
        SHOWN if size in (None, look.shown) else STORED
        for size, look in zip(sizes, looks, strict=True)
    ]
    is_oblong = [look.shown != look.stored for look in looks]
    evidence = [
        _evidence(some, look) if oblong else None
        for some, look, oblong in zip(boxes, looks, is_oblong, strict=True)
    ]
    decided = {}
    for way in (SHOWN, STORED):
        found = Counter(
            evidence[index]
            for index in range(len(looks))
            if is_oblong[index] and said[index] == way
        )
        decided[way] = OTHER[way] if found[OTHER[way]] > found[way] else way
    chosen = [own or decided[way] for own, way in zip(evidence, said, strict=True)]
    # Of a half turn or a square no size tells: as the tool has done with the others.
    others = Counter(way for way, oblong in zip(chosen, is_oblong, strict=True) if oblong)
    usual = STORED if others[STORED] > others[SHOWN] else SHOWN
    return [way if oblong else usual for way, oblong in zip(chosen, is_oblong, strict=True)]


def _evidence(boxes: np.ndarray, look: Look) -> str | None:
    """The way whose size holds all boxes, if that is only one of the two."""
    fitting = [
        way
        for way, size in ((SHOWN, look.shown), (STORED, look.stored))
        if (boxes <= np.array(size * 2) + TOLERANCE).all()
    ]
    return fitting[0] if len(fitting) == 1 else None
