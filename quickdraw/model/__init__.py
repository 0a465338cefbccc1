"""The networks: a file each, named by `conf/model/`. They map float [B, 1, 28, 28] in [0, 1] to logits [B, C]."""
