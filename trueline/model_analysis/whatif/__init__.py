"""The what-if page: pick a row, edit it, and see the prediction move.

May import what the other parts of model analysis may; pages are drawn by `display`, requests answered by `web`.
"""
