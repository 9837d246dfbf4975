"""Tables of cisTEM and Frealign.

In reading order: `columns`, `text`, `binary`, `frealign`, `new`, `format`.
"""
