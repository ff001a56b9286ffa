"""Picture files: validation, metadata removal, renditions and deletion.

`validation` and `metadata` decide what is stored of an upload, `rendering` resizes it, `rendition_queue`
runs that in the worker, and `deletion` deletes files that no row refers to.
"""
