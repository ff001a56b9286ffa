"""Picture files: validation, metadata removal, renditions and deletion.

`validation` and `metadata` decide which bytes of an upload are stored, `rendering` resizes the picture,
`rendition_queue` runs that in the worker, and `deletion` deletes files that no row refers to.
"""
