# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""No task in natural language tells what it asks for, or what comes after."""

import functools
import re

from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
import pytest
import seqio
import tensorflow as tf

from plum_jax.data import worded_examples
from tasks import auxiliary
from tasks import ranking
from tasks import rating
from tasks import retrieval
from tests.data import worded_run

_LENGTHS = worded_examples.Lengths(inputs=120, targets=60)
_LISTED = '{history} # {candidates} !'
# Nobody has an item twice, so that what is told of it tells where it stands;
# nobody has all of them, so that there is something to draw.
_HISTORIES = st.lists(
    st.permutations(range(worded_run.NUM_ITEMS)).flatmap(
        lambda items: st.integers(1, 10).map(lambda n: list(items[:n]))
    ),
    min_size=6,
    max_size=10,
)


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  return worded_run.build(tmp_path_factory.mktemp('leaks'))


@pytest.fixture(scope='module')
def tasks(run):
  """What makes the samples of each task; its tables are those of the run."""
  setting = worded_run.setting(run)
  names = {
      'retrieval': retrieval.in_words(setting, answer='both'),
      'several': retrieval.in_words(
          setting, items_per_sample=3, name='several'
      ),
      'several_ratings': rating.register(
          setting,
          items_per_sample=3,
          variants=['{history} # {item} ?'],
          name='several_ratings',
      ),
      'ranking': ranking.register(
          setting, num_candidates=4, list_variants=[_LISTED]
      ),
      'pointwise': ranking.pointwise(
          setting, variants=['{history} # {item} ?'], negatives_per_item=2
      ),
      'rating': rating.register(setting, variants=['{history} # {item} ?']),
      'mim': auxiliary.mim(setting),
      'mlm': auxiliary.mlm(setting, noise_density=0.4),
      'bpr': auxiliary.bpr(
          setting,
          negatives='popularity',
          variants=['{history} # {first} or {second} ?'],
      ),
  }
  records = worded_run.records([[0]])['train']
  signature = (records.element_spec, tf.TensorSpec([2], tf.int32))
  found = {}
  for kind, name in names.items():
    task = seqio.get_mixture_or_task(name)
    [make] = task.preprocessors
    assert isinstance(make, functools.partial)
    worded = make.keywords['task']
    # What `examples` maps over records; whole pipelines are slow to start.
    traced = tf.function(
        lambda record, seed, worded=worded: worded_examples._examples(  # noqa: SLF001
            record, seed, task=worded, lengths=_LENGTHS
        ),
        input_signature=signature,
        autograph=False,
    )
    found[kind] = (traced, task.splits)
  return found


@pytest.fixture(scope='module')
def decode(run):
  return worded_run.vocabulary(run).decode


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(histories=_HISTORIES, seed=st.integers(0, 100))
def test_no_sample_tells_what_it_asks_for(tasks, decode, histories, seed):
  for split, records in worded_run.records(histories).items():
    for record in records:
      history = histories[int(record['user'])]
      for kind, (make, splits) in tasks.items():
        if split not in splits:
          continue
        made = make(record, tf.constant([seed, 0]))
        for target, inputs, targets in zip(
            made['target_item_id'].numpy().tolist(),
            made['inputs'].to_list(),
            made['targets'].to_list(),
            strict=True,
        ):
          assert len(inputs) <= _LENGTHS.inputs
          assert len(targets) <= _LENGTHS.targets
          _check(kind, split, history, target, decode(inputs), decode(targets))


def _check(kind, split, history, target, text, answer):
  """Checks one sample of a user's history."""
  # As leave-one-out splits it; who has too few has no targets.
  window = history[:-2] if len(history) > 2 else history
  told, _, asked = text.partition(' #')
  told, asked = worded_run.mentioned(told), worded_run.mentioned(asked)
  if kind == 'mim':
    assert told <= set(window) - {target}
    assert worded_run.mentioned(answer) == {target}
    return
  if kind == 'mlm':
    assert told <= set(window)
    for items_in in (worded_run.sids_in, worded_run.titles_in):
      masked = items_in(answer)
      assert not set(masked) & set(items_in(text))
    assert worded_run.mentioned(answer) <= set(window)
    return
  if kind.startswith('several'):
    at = history.index(target)
    # Of a training window all that come after, of another record one.
    wanted = history[at : min(at + 3, max(len(window), at + 1))]
    assert told
    assert told <= set(history[:at])
    if kind == 'several':
      assert worded_run.sids_in(answer) == wanted
      assert not asked
    else:
      assert worded_run.titles_in(text.partition('#')[2]) == wanted
      ratings = re.sub(r'<extra_id_\d+>', ' ', answer).split()
      assert ratings == [f'{item}.5' for item in wanted]
    return
  own = target
  if kind == 'pointwise' and answer == 'no':
    assert target not in window
    assert split == 'train'
    assert told <= set(window)
    assert asked == {target}
    return
  before = history[: history.index(own)]
  assert told <= set(before)
  assert told, 'a history is never empty'
  if split == 'train':
    assert own in window
  else:
    assert own == history[-2 if split == 'validation' else -1]
  negatives = asked - {own}
  assert not negatives & set(window)
  if kind == 'retrieval':
    assert not asked
  if kind == 'rating':
    assert answer == f'{own}.5'
    assert own not in worded_run.ratings_in(text)
  if kind in ('pointwise', 'rating'):
    assert asked == {own}
  if kind == 'bpr':
    assert len(asked) == 2
    assert own in asked
  if kind == 'ranking' and asked:
    assert split == 'train'
    assert own in asked
    assert negatives


@settings(max_examples=10, deadline=None)
@given(histories=_HISTORIES)
def test_records_hold_training_windows_alone(histories):
  for record in worded_run.records(histories)['train'].as_numpy_iterator():
    history = histories[int(record['user'])]
    window = history[:-2] if len(history) > 2 else history
    assert record['item_ids'].tolist() == window
