# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import seqio

from plum_jax.catalog import ranking_candidates
from plum_jax.data import training_windows
from tasks import ranking
from tests.data import worded_run
from tests.data.tiny_run import build_run

_HISTORIES = [[0, 1, 2, 3, 4], [11, 9, 7, 5, 3, 1], [6, 8]]


def test_prompts_list_the_candidates_that_an_evaluation_draws(tmp_path):
  run = build_run(tmp_path / 'run', _HISTORIES, worded_run.CODES)
  options = {'num_negatives': 4, 'sampling': 'popularity', 'seed': 3}
  name = ranking.register(
      worded_run.setting(run, show='title'),
      evaluation_lists=True,
      evaluation_negatives=4,
      evaluation_sampling='popularity',
      evaluation_seed=3,
  )
  histories, split = training_windows.split_histories(run)
  decode = worded_run.vocabulary(run).decode
  for name_of_split in ('validation', 'test'):
    drawn = ranking_candidates.draw_ranking_candidates(
        histories, split, getattr(split, name_of_split), **options
    )
    dataset = seqio.get_mixture_or_task(name).get_dataset(
        {'inputs': 300, 'targets': 10}, split=name_of_split, shuffle=False
    )
    examples = list(dataset.as_numpy_iterator())
    assert len(examples) == len(drawn) == 2
    for row, example in enumerate(examples):
      listed = worded_run.sids_in(decode(example['inputs'].tolist()))
      assert listed == drawn.item_ids[row].tolist()
      own = _HISTORIES[example['user']]
      assert set(listed) & set(own) == {int(example['target_item_id'])}
