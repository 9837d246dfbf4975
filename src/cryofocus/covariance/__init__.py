"""Which regions of a molecule vary together: over classes, over units and over particles."""
