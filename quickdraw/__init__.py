"""A runner for experiments on Quick, Draw! drawings. This docstring is the map.

The way of the data (B drawings a batch, C classes, N drawings in all):

    data/<class>.npy        uint8 [N, 784], 0 paper, 255 ink: mapped into memory, never copied as a whole
      data.bitmaps          header checked, split by data.split_seed: indices into the mapped files
      data.batches          gathered and scaled: float32 [B, 1, 28, 28] in [0, 1], int64 [B]
      data.resident         on a GPU, the same from its own memory
      data.augment          training batches alone, where asked for: moved a little, on the network's device
      model.convnet         logits float32 [B, C]
      metrics               one value an example, [B]
      predictions           those of a split, [N]: averaged over all examples, once
      engine                `train`: epochs, the best one kept; `test`: the test split, used once
        tracking            TensorBoard, metrics.csv; `charts` draws what was learnt
        provenance          the program, the machine and the data that a run comes from
        checkpoint          what resumes a run
        weights             what is handed on

Looked at in a notebook (`explore`): drawings, galleries of them, label errors, overfitting.

Contracts:

- Whatever is random is a function of (seed, epoch, step) or of data.split_seed (`seeding`), so a checkpoint holds no
  generator state and a resumed run ends with the same bits.
- Every file is whole or absent (`files`); logs alone grow.
- What the user can mend is a QuickdrawError (`errors`), told in one line.
- No class sees the configuration: its keys are their arguments. `run.py` and `hydra_plugins/` alone know Hydra.
- Imports run one way: run.py, engine, leaves. Nothing heavy is imported before it is needed.
"""
