"""Pictures as files: which are accepted, how renditions of them are made, and when they leave the storage.

`checking` and `cleaning` decide what is stored of an upload, `rendering` resizes it, `making` has that
done by the worker, and `discarding` removes what nothing needs any more.
"""
