"""A canvas to draw a digit on, and nets that say which it is while it is drawn. Days 1 and 4."""
