# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import seqio
import tensorflow as tf

from plum_jax.artifacts.errors import InputError
from plum_jax.data import span_corruption
from plum_jax.data.span_corruption import SpanCorruption
from tasks import auxiliary
from tests.data import worded_run

_SENTINELS = tuple(range(199, 99, -1))
_END = 1


def _corrupted(texts, corruption, seed=0):
  dataset = tf.data.Dataset.from_generator(
      lambda: iter(texts), output_signature=tf.TensorSpec([None], tf.int32)
  )
  with seqio.map_seed_manager(seed):
    made = span_corruption._corrupted(dataset, corruption)  # noqa: SLF001
  return [
      (e['inputs'].tolist(), e['targets'].tolist())
      for e in made.as_numpy_iterator()
  ]


def _restored(inputs, targets):
  """Puts spans back; returns the text, and the lengths of spans."""
  assert inputs[-1] == targets[-1] == _END
  spans = {}
  for token in targets[:-1]:
    if token in _SENTINELS:
      last = token
      spans[last] = []
    else:
      spans[last].append(token)
  assert list(spans) == list(_SENTINELS[: len(spans)])
  assert [t for t in inputs if t in _SENTINELS] == list(spans)
  text = []
  for token in inputs[:-1]:
    text += spans.get(token, [token])
  return text, [len(span) for span in spans.values()]


def test_spans_put_back_are_the_text():
  corruption = SpanCorruption(_SENTINELS, _END)
  texts = [np.arange(1_000, 1_000 + n, dtype=np.int32) for n in range(2, 90)]
  made = _corrupted(texts, corruption)
  assert len(made) == len(texts)
  lengths = set()
  for text, (inputs, targets) in zip(texts, made, strict=True):
    restored, spans = _restored(inputs, targets)
    assert restored == text.tolist()
    assert (sum(spans), len(spans)) == corruption.counts(len(text))
    assert inputs[0] == text[0]
    assert targets[-2] == text[-1]
    lengths.update(spans)
  assert lengths > {1, 2, 3, 4}


def test_texts_of_one_token_are_left_out_and_seeds_differ():
  corruption = SpanCorruption(_SENTINELS, _END)
  texts = [np.array([7], np.int32), np.arange(300, 360, dtype=np.int32)]
  first = _corrupted(texts, corruption)
  assert len(first) == 1
  assert first == _corrupted(texts, corruption)
  assert first != _corrupted(texts, corruption, seed=1)


def test_longest_text_fills_an_input():
  corruption = SpanCorruption(_SENTINELS, _END)
  lengths = {'inputs': 64, 'targets': 20}
  longest = corruption.longest(lengths)
  noise, spans = corruption.counts(longest)
  assert longest - noise + spans + 1 == 64
  assert noise + spans + 1 <= 20
  # Where the target is short, it is what limits.
  longest = corruption.longest({'inputs': 1_000, 'targets': 20})
  noise, spans = corruption.counts(longest)
  assert noise + spans + 1 == 20
  assert corruption.longest(None) is None
  with pytest.raises(InputError, match='no room for two tokens'):
    corruption.longest({'inputs': 2, 'targets': 20})


def test_numbers_that_make_no_sense_are_refused():
  for kwargs, what in (
      ({'noise_density': 0.0}, 'noise_density'),
      ({'mean_span_length': 0.5}, 'mean_span_length'),
  ):
    with pytest.raises(InputError, match=what):
      SpanCorruption(_SENTINELS, _END, **kwargs)


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  return worded_run.build(tmp_path_factory.mktemp('spans'))


def _texts(run, name, lengths):
  """Puts the spans of a task's examples back, as text."""
  vocabulary = worded_run.vocabulary(run)
  marks = span_corruption.sentinels(vocabulary, 'it')
  dataset = seqio.get_mixture_or_task(name).get_dataset(
      lengths, split='train', shuffle=False, seed=0
  )
  for example in dataset.as_numpy_iterator():
    assert len(example['inputs']) <= lengths['inputs']
    assert len(example['targets']) <= lengths['targets']
    spans, text = {}, []
    for token in example['targets'].tolist()[:-1]:
      if token in marks:
        last = token
        spans[last] = []
      else:
        spans[last].append(token)
    for token in example['inputs'].tolist()[:-1]:
      text += spans.get(token, [token])
    yield vocabulary.decode(text)


def test_general_text_comes_whole_and_long_lines_in_pieces(run, tmp_path):
  file = tmp_path / 'text.txt'
  lines = ['Film by Film and Film', '', 'Film ' * 40]
  file.write_text('\n'.join(lines))
  name = auxiliary.text_span_corruption('spans', run, files=[str(file)])
  assert name == 'plum_spans_text_span_corruption'
  lengths = {'inputs': 24, 'targets': 12}
  found = list(_texts(run, name, lengths))
  assert found[0] == lines[0]
  assert len(found) > 2
  assert ' '.join(found[1:]).split() == lines[2].split()


def test_texts_of_items_are_corrupted(run):
  name = auxiliary.item_span_corruption('spans', run, item_fields=['title'])
  found = list(_texts(run, name, {'inputs': 24, 'targets': 12}))
  assert found == [f'Film i{i}' for i in range(worded_run.NUM_ITEMS)]
