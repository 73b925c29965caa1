"""The closing table of notebook 07: what its numbers say of claims 22 and 23."""

from effdet_lite.experiments.verdicts import counted, held
from effdet_lite.teach.kit.claims import Claim
from effdet_lite.teach.nb.n07_backbone import Moved
from effdet_lite.teach.nb.n07_rule import BY_RULE, by_the_rule, departures, entries

EQUAL = 5e-5  # a difference that "0.0000" hides
# torchvision's B0 without its last convolution, that one's norm and the classifier: 5,288,548 -
# (320 · 1,280 + 2 · 1,280) - (1,280 · 1,000 + 1,000).
B0_WITHOUT_HEAD = 3_595_388


def claim_on_backbone(moved: Moved) -> Claim:
    """Claim 22, of what moved from torchvision's classifier."""
    equal = sum(apart < EQUAL for apart in moved.apart)
    share = moved.params / moved.of_params
    told = {
        "parameters that move": f"{moved.params:,}, {share:.0%} of the classifier's",
        "tensors that move": f"{moved.tensors} of {moved.of_tensors}",
    }
    told |= {
        f"largest difference › P{level}": f"{apart:.4f}"
        for level, apart in enumerate(moved.apart, start=1)
    }
    return Claim(
        "C22",
        "EfficientDet uses the same backbone as EfficientNet",
        told,
        (counted(moved.params, B0_WITHOUT_HEAD), held(equal, len(moved.apart))),
    )


def claims_on_rule() -> tuple[Claim, Claim]:
    """Claim 23 in its two parts: that no heuristic is given, and how the sizes grow."""
    apart, every = len(departures()), len(entries())
    heuristic = Claim(
        "C23a",
        "no heuristic is given for the scaling",
        {BY_RULE: by_the_rule()},
        (held(apart, every),),  # without a rule, none of its equations would give the table's
    )
    growth = Claim(
        "C23b",
        "image and BiFPN depth grow linearly with ϕ, the BiFPN's width exponentially",
        {"entries depart": f"{apart} of {every}"},
        (held(every - apart, every),),
        care="it is the rule; from D5 on the published detectors leave it",
    )
    return heuristic, growth
