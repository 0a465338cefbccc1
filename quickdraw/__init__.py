"""A runner for experiments on Quick, Draw! drawings. This docstring is the map.

The way of the data (B drawings a batch, C classes, N drawings in all):

    data/<class>.npy         uint8 [N, 784], 0 paper, 255 ink: mapped into memory, never copied as a whole
      data/bitmaps.py        header checked, split by data.split_seed: indices into the mapped files
      data/batches.py        gathered and scaled: float32 [B, 1, 28, 28] in [0, 1], int64 [B]
      data/resident.py       on a GPU, the same from its own memory
      data/augment.py        only training batches, where asked for: moved a little, on the network's device
      model/convnet.py       logits float32 [B, C]
      per_example.py         one value an example, [B]
      predictions.py         those of a split, [N]: averaged over all examples, once
      engine.py              `train`: epochs, the best one kept; `test`: the test split, used once
      lanes/pack.py          the same for many trainings at once
        run/tracking.py      TensorBoard, metrics.csv
        run/checkpoint.py    what resumes a run
        run/weights.py       what is handed on

Where everything is, from the top down; imports run down this list and never up. Above it is all that knows Hydra:
`run.py`, the entry point, and in `hydra_plugins/`:

    quickdraw_cli       command_line (what is typed, before Hydra sees it), explain (Hydra's errors in one line),
                        options (Hydra's, among the overrides), saved (a run's overrides again), choices (a group's
                        choices), own_files (mistakes in YAML by file and line), home (`~` in a path), resolvers (plain
                        values, the names of folders), before_run (a folder's own settings are compared before Hydra
                        writes)
    quickdraw_launcher  `-m` here: grid_sweeper (all combinations), local_launcher (composes each job, runs all)
    quickdraw_cluster   `-m` on Slurm and Ray
    quickdraw_optuna    the sweeper of a search, and its grammar
    quickdraw_race      the sweeper of a race

    predict.py                      `python -m quickdraw.predict`: what a run's network takes pictures for
    evaluate.py                     `python -m quickdraw.evaluate`: a run's network on other drawings

    race/                           a race: settings shown to be worse get no more seeds
    race/runner.py                  a race from its first job to its report; a look waits for all, nothing else does
    race/view.py                    the live line of a race on the terminal, and a line for each setting that falls

    search/                         adaptive search: each job chosen by the results so far
    search/runner.py                a search from its first trial to its report; a free slot gets a job
    search/view.py                  the live line of a search on the terminal, and a line a finished trial
    search/trials.py                a trial and its jobs, one a seed
    search/study.py                 what was tried: Optuna's journal in the sweep's folder, which continues a search
    search/sampling.py              the settings of the next trial, by Optuna's samplers, seeded trial by trial
    search/evolution.py             CMA-ES, computed anew from the finished trials
    search/pruning.py               which trainings are ended early: asha, median
    search/space.py                 the searched settings, and what is senseless about them

    sweep/                          how many jobs run, on one machine or many
    sweep/runner.py                 a sweep from its first job to the ranking at its end
    sweep/view.py                   the live line of a sweep on the terminal, and a line a finished job
    sweep/job.py                    one job: what it trains, where, and how its end is recorded
    sweep/places.py                 where each job lies: one folder for the same settings, decided once
    sweep/jobs.py                   the interface of whatever runs jobs: submit, next, stop
    sweep/local.py                  that interface on this machine, each job in a process of its own
    sweep/lanes.py                  that interface on this machine, jobs of equal shape side by side in packs
    sweep/shapes.py                 which jobs may train side by side in one process, and how many of them
    sweep/pack.py                   runs inside the process of a pack: jobs come, train in lanes, and leave
    sweep/claims.py                 the cores that sweeps of this machine have taken for their jobs
    sweep/checks.py                 the settings of all jobs, checked before the first starts
    sweep/same_drawings.py          whether finished jobs saw the drawings that the next ones will
    sweep/pool.py                   starts processes for sweep/local.py, and waits for the first to end
    sweep/process.py                runs inside such a process: its log, its GPU, its end with the parent's
    sweep/preload.py                what is imported once for all jobs
    sweep/pruning_hook.py           how a job learns that it is pruned: it asks after each epoch whether to go on
    sweep/orders.py                 the same where no pipe leads to a job: its epochs are seen, and a file ends it
    sweep/slurm_sweep.py            a sweep in Slurm's queue: submitted, and watched while the command lasts
    sweep/slurm.py                  that interface on Slurm
    sweep/slurm_queue.py            asks `squeue` how the jobs stand
    sweep/ray.py                    that interface on a Ray cluster

    analysis/                       runs and sweeps as they stand on the disk: tables, figures, sentences, a page
    analysis/sweep.py               Sweep: metric, what varies, ranking, effects, verdict: each worked out once
    analysis/columns.py             which settings vary, and which run has which value
    analysis/rows.py                the rows of a sweep's tables: settings by rank, jobs, failures
    analysis/__main__.py            `python -m quickdraw.analysis`: list, show, sweep, compare
    analysis/commands.py            the answers of list and sweep
    analysis/run_commands.py        the answers of show and compare
    analysis/terminal.py            how an answer is printed: tables, plain text into a pipe, JSON
    analysis/tables.py              tables for the terminal, and the ranking that a sweep ends with
    analysis/page.py                report.html
    analysis/sentences.py           what the tables say, in words: which setting leads, and whether that may be chance
    analysis/ranking.py             ranks a sweep: settings that differ only in their seed are one row, with its spread
    analysis/judged.py              which settings may be the best, and when that cannot be said: other drawings
    analysis/effects.py             how much of the spread of the scores each setting explains
    analysis/figures/               a sweep as figures
    analysis/figures/scores.py      settings by rank
    analysis/figures/curves.py      learning curves, scores by seconds of training
    analysis/figures/settings.py    what each setting did
    analysis/figures/parallel.py    parallel coordinates, of a sweep or a search
    analysis/figures/search.py      the history of a search
    analysis/figures/race.py        the settings of a race over its looks, and where each fell
    analysis/figures/disagreement.py  where two runs disagree
    analysis/figures/parts.py       what the figures share: sizes, colours, heat maps
    analysis/frames.py              a sweep as pandas frames
    analysis/folders.py             finds runs and sweeps by a name, or the newest
    analysis/comparison.py          two runs on the same test drawings
    analysis/confusions.py          what a network confuses: each class's accuracy and most frequent error
    analysis/drawings.py            the drawings that a run was tested on, found again
    analysis/journal.py             the trials of a search, read from its journal without Optuna
    analysis/race.py                a race: race.json, how it stands by its jobs, the winner's fresh seeds
    analysis/importance.py          how much each searched setting matters: fANOVA

    run/                            one run: its stages, and for each file of its folder a file here
    run/stages.py                   a run prepared (what the configuration names is built), trained, finished
    run/warm_up.py                  a GPU's first steps, taken while the rest of a run is prepared
    run/folder.py                   status.json and the lock: who may write, how the run stands, how it ended
    run/checkpoint.py               checkpoint/: written, checked, the newest two kept
    run/tracking.py                 tensorboard/ and metrics.csv
    run/charts.py                   the figures in TensorBoard: confusion, calibration, mistakes, first-layer filters
    run/weights.py                  weights/: what is written about them, and a run's network loaded again
    run/results.py                  result.json
    run/provenance.py               provenance.json: commit, command, versions, machine, sha256 of the data; `rerun`
    run/listing.py                  the runs of a folder read again; summary.csv written

    explore/                        what EDA.ipynb uses
    explore/gallery.py              figures of data: counts, ink, sheets of drawings
    explore/drawings.py             ink, brightness, mean drawings, nearly identical ones
    explore/label_errors.py         drawings that are probably not what their label says
    explore/overfitting.py          the curves of a training, and what it learnt by heart

    lanes/                          trainings of equal shape side by side in one process
    lanes/pack.py                   takes all lanes an epoch on; who has finished leaves, and the next takes the lane
    lanes/training.py               a training as a lane takes it, and whether it may share
    lanes/stack.py                  the weights of all lanes as one tensor, and the step that learns from all batches
    lanes/networks.py               the networks of all lanes, called as one
    lanes/optimizers.py             the steps of AdamW, Adam and SGD, each lane with its own settings
    lanes/dropout.py                dropout, each lane with the masks that it would have alone

    engine.py                       the loop: train, test, predict

    model/                          a file a network, named by conf/model/
    model/convnet.py                the course's ConvNet
    model/mlp.py                    one hidden layer
    model/small_resnet.py           a small residual network, for many classes
    model/resnet18.py               torchvision's ResNet-18, for small drawings
    model/layers.py                 dropout that resumes exactly, a memory layout that is fast

    data/                           a file a data set, named by conf/data/; and what all of them use
    data/dataset.py                 what every data set is, and how one is checked before the first step
    data/bitmaps.py                 official bitmaps
    data/class_files.py             one file a class: found in any spelling, checked, mapped
    data/npy_header.py              the header of an .npy file, read without evaluating it
    data/pixel_check.py             whether the pixels of a file are ink on paper, and what to save otherwise
    data/drawings.py                several mapped files seen as one array
    data/strokes.py                 strokes, rendered at the first start
    data/synthetic.py               drawings made by a small program
    data/batches.py                 a split served in batches
    data/resident.py                the same from a GPU's memory, gathered by the step itself if it is captured
    data/augment.py                 shifts, turns and scalings of a training batch
    data/split.py                   which drawing is in train, val or test; identical drawings kept together
    data/fingerprint.py             the sha256 of a data file, computed once; the cache's pixels known by it
    data/cached.py                  files of the cache that hold their own sha256
    data/names.py                   how classes and their files are spelt
    data/doodles/                   the program that draws the synthetic classes
    data/doodles/drawing.py         draws a class: strokes, then bitmaps
    data/doodles/pen.py             its hand: curves, lines, ovals, dots, all with a wobble
    data/doodles/animals.py         cats and dolphins
    data/doodles/shapes.py          moons, bananas, circles, donuts, eyes
    data/doodles/things.py          alarm clocks, airplanes, doors
    data/image_file.py              any picture of one drawing, as a bitmap
    data/picture/                   pictures of one's own into bitmaps
    data/picture/places.py          the pictures that a command line names: files, folders, patterns
    data/picture/decode.py          picture files decoded within bounds: six formats
    data/picture/colours.py         distances between colours
    data/picture/desk.py            paper that lies on something else
    data/picture/ground.py          ink from ground
    data/picture/parts.py           the drawing among frames, lines, noise and specks
    data/picture/bitmap.py          ink as the official recipe would have drawn it, 28 x 28
    data/picture/sheet.py           a sheet of each picture, what the network saw of it, and the answers
    data/download.py                `python -m quickdraw.data.download`
    data/fetch/                     files over HTTP
    data/fetch/download.py          fetches what is missing, several files at once
    data/fetch/official.py          what was published: classes, sizes, MD5
    data/fetch/plan.py              what is missing, from where, and whether there is room
    data/fetch/transfer.py          tries until a file is whole
    data/fetch/web.py               one request
    data/fetch/partial.py           the bytes so far
    data/fetch/bars.py              what is seen of it
    data/rendering/                 strokes into bitmaps
    data/rendering/stroke_files.py  .ndjson and .npz, read in pieces
    data/rendering/pickled.py       arrays out of a pickle that is never unpickled
    data/rendering/rasterise.py     strokes into 28x28 pixels, by the official recipe
    data/rendering/render.py        whole files, on all cores, surviving a kill
    data/rendering/workers.py       the processes that do it

    Leaves, which import nothing above them:
    settings.py                     a configuration checked as a whole; the nearest key; what makes two runs the same
    rules.py                        what the value of each key must be
    records.py                      what the files of a run must hold: read, or called damaged with the reason
    building.py                     what a configuration may name, and how it is built
    user_files.py                   files that users add beside ours, and errors raised in them
    metrics.py                      the scores: a metric is added here, and which way it is better
    per_example.py                  accuracy, loss, rank, confidence of each drawing
    predictions.py                  the answers of a network to all drawings of a split
    schedule.py                     a factor of the learning rate over training: one_cycle, warmup_cosine
    state.py                        where a training stands: what a checkpoint holds
    saver.py                        when a training is saved: every so many seconds, at a signal, pruned, at its end
    graphs.py                       a training step as a CUDA graph: captured once, replayed as one launch
    learning_rate.py                the learning rate of every step: the optimizer's own, times the schedule's factor
    weights_file.py                 the pair of files that hands weights on, .pth and .json: written, read, checked
    seeding.py                      random numbers from (seed, epoch, step)
    progress.py                     the bar, and a line an epoch
    plotting.py                     the style of all figures, and sheets of drawings
    statistics/                     what scores over seeds show; docs/statistics.md
    statistics/scores.py            scores by setting and seed, as arrays
    statistics/layout.py            the two-way layout: setting and seed, any cell missing
    statistics/variance.py          how surely the difference of two settings is known
    statistics/dunnett.py           critical values for several comparisons with one setting
    statistics/best.py              which settings may be the best (Hsu)
    statistics/holm.py              several tests at once
    statistics/winner.py            the winner's curse
    statistics/paired.py            two networks on the same drawings: McNemar's exact test, with its interval
    statistics/race.py              a race: settings shown to be worse get no more seeds
    statistics/spending.py          the looks of a race, and how its error is shared out
    statistics/sentences.py         verdicts in words
    files.py                        writes every file: whole or absent
    locks.py                        one holder at a time
    program.py                      the project's commands as they can be typed in the current folder
    links.py                        links inside a folder that is written to: refused
    errors.py                       errors that the user can fix, each printed as one line
    console.py                      what every command shares: its parser, errors in one line, exit codes
    signals.py                      Ctrl-C, SIGTERM, SIGHUP, SIGUSR2
    cores.py                        the processors and the memory that this process may use, and what others leave
    waiting.py                      how torch's threads wait for each other: awake, or asleep beside other programs
    hardware.py                     device, threads, precision: what `auto` becomes, and what is recorded
    vision.py                       torchvision imported beside a torch it was not built for
    compiler.py                     keeps torch from importing its compiler

Contracts:

- Whatever is random is a function of (seed, epoch, step) or of data.split_seed (`seeding`), so a checkpoint holds no
  generator state and a resumed run ends with the same bits.
- Every file is whole or absent (`files`); only logs grow.
- What the user can fix is a QuickdrawError (`errors`), printed as one line.
- No class sees the configuration: its keys are their arguments.
- Nothing heavy is imported before it is needed.
"""
