"""The drawings. One file a data set, which `conf/data/` names: `bitmaps`, `strokes`, `synthetic`, all a `dataset`.

class_files   one `.npy` a class: found in any spelling, checked, mapped; by `npy_header` and `pixel_check`
names         how classes are spelt; official names and the publisher's table are in `fetch.official`
fingerprint   a file's sha256, kept in the cache; `cached` are the files there that hold their own
split         which drawing is for train, val, test
drawings      several files seen as one array; `resident`, the same in a GPU's memory
batches       one split, served in batches; `augment` moves those of training
image_file    a picture of one's own, for `predict`
rendering/    strokes become bitmaps: readers of stroke files, the official recipe, all cores
doodles/      the small program that draws for `synthetic`
fetch/        what `python -m quickdraw.data.download` does; `download` is the command
"""
