"""Which cells of a notebook have to run again with its solutions put in.

nbval runs every cell, with no exercise solved. A solution can change only the cells that use a name
which it sets, or something that it changes in place; all others would do once more what they did
there. So the second run is of the exercises, of what they need, and of what they change.

The names are read from the code. Where that says too little, a name is missing and the run fails;
`pytest --every-cell` leaves nothing out.
"""

from lessons import code_cells, exercise_cells

from effdet_lite.teach.site.names import names_of, needed


def cells_to_run_again(notebook):
    """Of a notebook with its solutions put in: the exercises, the cells that use what a solution
    sets or changes, and those that any of these need; in the notebook's order.
    """
    cells = code_cells(notebook)
    exercises = [cell for _, cell in exercise_cells(notebook)]
    names = [names_of(cell.source) for cell in cells]
    chosen, other_than_before = set(), set()
    for place, (cell, own) in enumerate(zip(cells, names, strict=True)):
        if any(cell is one for one in exercises) or own.read & other_than_before:
            chosen.add(place)
            other_than_before |= own.changed
        else:
            other_than_before -= own.bound
    return [cells[place] for place in needed(names, chosen)]
