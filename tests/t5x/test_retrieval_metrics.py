# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import seqio

from plum_jax.t5x import retrieval_metrics
from tasks import retrieval

_ITEM_TOKENS = np.array([[10, 20], [10, 21], [11, 20], [12, 22]])


def test_recall_ndcg_and_valid_rate_have_values_worked_out_by_hand():
  sid_tokens = np.array(
      [
          [[11, 20], [10, 21], [12, 22]],  # Items 2, 1, 3.
          [[10, 20], [12, 20], [0, 0]],  # Item 0, no item, nothing found.
      ]
  )
  scores = np.array([[-1.0, -2.0, -3.0], [-1.0, -2.0, -np.inf]])
  found = retrieval_metrics.retrieval(
      [1, 3],
      {'scores': scores, 'sid_tokens': sid_tokens},
      item_tokens=_ITEM_TOKENS,
      ks=(1, 2),
  )
  assert found['retrieval/recall@1'] == 0.0
  assert found['retrieval/recall@2'] == 0.5
  assert found['retrieval/ndcg@2'] == pytest.approx(0.5 / np.log2(3))
  # Five SIDs were decoded, four of them are an item's.
  assert found['retrieval/valid_sid_rate'] == pytest.approx(4 / 5)
  # The second user's second place holds no item.
  assert found['retrieval/valid_item_rate@2'] == pytest.approx(3 / 4)


def test_task_with_metrics_has_the_same_examples_and_target_items(
    run_directory,
):
  task = retrieval.register('t5x_metrics', run_directory)
  name = retrieval_metrics.with_metrics(task, run_directory, ks=(1,))
  assert retrieval_metrics.with_metrics(task, run_directory, ks=(1,)) == name
  lengths = {'inputs': 12, 'targets': 3}
  one, other = (
      seqio.get_mixture_or_task(n).get_dataset(
          lengths, split='test', shuffle=False
      )
      for n in (task, name)
  )
  for a, b in zip(
      one.as_numpy_iterator(), other.as_numpy_iterator(), strict=True
  ):
    np.testing.assert_array_equal(a['targets'], b['targets'])
  registered = seqio.TaskRegistry.get(name)
  assert len(registered.metric_fns) == 1
  example = next(one.as_numpy_iterator())
  target = registered.postprocess_fn('text', example=example, is_target=True)
  assert target == example['target_item_id']
  assert registered.postprocess_fn('text', example=example) == 'text'
