"""Files become validated, frozen objects here, once, in the conventions of this package."""
