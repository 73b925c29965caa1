"""EfficientDet, small enough to read in an evening and numerically equal to the official network.

Read the modules in this order: cost, layers, scaling, efficientnet, fusion, anchors, losses,
efficientdet, pretrained, data, evaluation, training. Each imports only modules before it.
"""

__version__ = "0.1.0"
