"""The README's commands: which settings are tried, how one is chosen, and when the test is opened.

Oracles: rows made by hand, and the photographs' names in the lists.
"""

import json

import pytest

from effdet_lite.experiments.run import stored_results
from effdet_lite.options import parse
from effdet_lite.places import cells_folder, course_folder, results_file


@pytest.fixture(scope="module")
def front_page(experiment_script):
    return experiment_script("front_page")


def scored(runs, **ap):
    return [
        {"command": run.command, "setting": run.setting, "split": run.split, "seed": run.seed}
        | {"ap": ap.get(run.setting.replace(" ", "_"), 0.1)}
        for run in runs
    ]


def test_the_test_pictures_are_opened_for_one_setting_a_command_and_after_the_search(front_page):
    first = front_page.following([])
    assert {run.split for run in first} == {"validation"} and {run.command for run in first} == {
        "shapes"
    }
    assert front_page.following(scored(first[:-1])) == list(first)
    rows = scored(first, wider_neck=0.6, lower_rate=0.5)
    after = front_page.following(rows)
    opened = [run for run in after if run.split == "test"]
    assert [(run.setting, run.seed) for run in opened] == [
        ("wider neck", seed) for seed in (0, 1, 2)
    ]
    assert {run.command for run in after} == {"shapes", "cells"}
    # A test score, however high, chooses nothing.
    rows += [row | {"ap": 0.99} for row in scored([front_page.finals("shapes", "as it was")[0]])]
    assert front_page.chosen(rows, "shapes") == "wider neck"


def test_every_run_is_planned_once_in_the_end(front_page):
    rows = []
    for _ in front_page.SETTINGS:
        rows = scored(front_page.following(rows))
    runs = front_page.following(rows)
    assert not front_page.plan().runs  # all of them follow
    assert len(runs) == len(set(runs)) == 7 + 7 + 4 + 3 * 3
    searches = {run.seed for run in runs if run.split == "validation"}
    assert not searches & {run.seed for run in runs if run.split == "test"}


def test_each_setting_differs_from_the_first_and_trains_as_it_is_told(front_page):
    for command, settings in front_page.SETTINGS.items():
        first = settings["as it was"]
        told = [json.dumps(setting, sort_keys=True) for setting in settings.values()]
        assert len(set(told)) == len(told)
        for name, setting in settings.items():
            assert setting["data"] == first["data"]
            config = front_page.recipe(front_page.Run(command, name, "validation", 10))
            assert {field: getattr(config, field) for field in setting} == setting
            assert config.test_data == "validation" and config.seed == 10


@pytest.mark.filterwarnings("ignore:.*boxes without area")
@pytest.mark.skipif(not cells_folder().is_dir(), reason="the blood cells are not here")
def test_a_search_sees_no_test_photograph_and_a_final_run_two_lists(front_page):
    from effdet_lite.beginning import open_sets

    search = front_page.recipe(front_page.Run("cells", "as it was", "validation", 10))
    final = front_page.recipe(front_page.Run("cells", "as it was", "test", 0))
    searched = [{one.path.stem for one in part.samples} for part in open_sets(search, None, None)]
    learned, tested = (
        {one.path.stem for one in part.samples} for part in open_sets(final, None, None)
    )
    assert searched[0] | searched[1] == learned and not searched[0] & searched[1]
    assert not learned & tested
    unseen = {one.path.stem for one in front_page.unseen(final).samples}
    assert unseen < tested and len(unseen) == 63


def test_a_short_run_gives_a_row(front_page):
    row = front_page.trained(front_page.Run("shapes", "as it was", "validation", 10), steps=1)
    assert 0 <= row["ap"] <= row["ap50"] <= 1 and row["unseen"] is None and len(row["losses"]) == 1


def final(command, seed, ap, ap50, unseen=None):
    run = {"command": command, "setting": "as it was", "split": "test", "seed": seed}
    return run | {"ap": ap, "ap50": ap50, "unseen": unseen}


def test_the_table_tells_mean_and_range_and_an_aim_is_reached_by_the_mean_alone(front_page):
    cells = {"ap": 0.5, "ap50": 0.8}
    rows = [final("shapes", seed, 0.6, ap50) for seed, ap50 in enumerate((0.95, 0.88, 0.90))]
    rows += [final("cells", seed, 0.52, 0.87, cells) for seed in range(3)]
    rows += [final("cells, ten minutes", seed, 0.6, 0.9, cells) for seed in range(2)]
    lines = front_page.readme_table(rows).splitlines()
    assert lines[2].startswith("| shapes, 200 drawn pictures | .910 (.880 – .950) | .600 (.600 ")
    assert lines[2].endswith("| AP50 0.90: reached |")
    assert lines[3].endswith("| AP50 0.88: not reached |")
    assert ".800 (.800 – .800) | .500 (.500 – .500)" in lines[4]
    assert len(lines) == 5  # one seed of the ten minutes is missing


def test_a_command_means_its_options(front_page):
    for settings in front_page.SETTINGS.values():
        for options in settings.values():
            words = front_page.as_command(options).split()
            assert words[:4] == ["uv", "run", "effdet-lite", "train"]
            told, _ = parse(words[3:])
            assert told.download == (options["data"] == "bccd")
            for name, value in options.items():
                found = getattr(told, name)
                assert found == (list(value) if isinstance(value, tuple) else value)


def test_the_readme_says_what_the_file_holds(front_page):
    if not results_file("front_page").exists():
        pytest.skip("there are no results yet")
    rows = stored_results("front_page")["runs"]
    page = (course_folder() / "README.md").read_text(encoding="utf-8")
    assert front_page.readme_table(rows) in page
    for command in front_page.SETTINGS:
        if front_page.figures(rows, command):
            options = front_page.SETTINGS[command][front_page.chosen(rows, command)]
            assert front_page.as_command(options) in page
