"""Downloads. Of all files: `download`, with its `plan` and its `bars`. Of one: `transfer` tries until it is whole,
`web` makes a request, `partial` keeps the bytes so far. `official` is what was published: kinds, classes, sizes, MD5.
"""
