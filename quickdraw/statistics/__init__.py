"""What scores over seeds show: comparisons with the best, races, and corrections for looking often or at many.

A leaf below `analysis`: it knows names of settings, seeds and scores, and neither runs nor folders.

    scores      who was trained with which seed, and what came of it, as arrays
    dunnett     critical values for many comparisons with one setting
    variance    the deviation over seeds: pooled, or by setting where settings plainly differ in it
    best        the settings that may be the best, and how far each is from the best of the others
    race        which settings go on, decided from the scores so far
    spending    how the error of a race is shared out over its looks
    winner      the winner's score, corrected for having won by it
    paired      two networks on the same drawings: McNemar's test, with an interval that agrees with it
    holm        several tests at once
    sentences   all of it in words
"""
