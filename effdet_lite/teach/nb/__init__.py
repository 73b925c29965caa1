"""The explorers and drawings of one notebook each, named after it."""
