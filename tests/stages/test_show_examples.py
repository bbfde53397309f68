# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.stages import show_examples
from tasks import auxiliary
from tasks import mixtures
from tasks import retrieval
from tests.data import worded_run

_LENGTHS = {'inputs': 100, 'targets': 40}


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  return worded_run.build(tmp_path_factory.mktemp('shown'))


def test_examples_of_all_tasks_of_a_mixture_are_printed(run, capsys):
  setting = worded_run.setting(run)
  tasks = [
      retrieval.in_words(setting, variants=['Before: {history} | next']),
      auxiliary.mim(setting),
  ]
  name = mixtures.register('worded', tasks, {'retrieval_in_words': 1, 'mim': 1})
  show_examples.run(str(run), name, _LENGTHS, 'train', 2, 0)
  printed = capsys.readouterr().out
  assert 'plum_worded_mim, split train' in printed
  assert 'plum_worded_retrieval_in_words, split train' in printed
  assert printed.count('Example 2') == 2
  assert 'Before:<sid_' in printed
  assert '<extra_id_0>' in printed
  assert 'of 100 tokens' in printed
  assert max(map(len, printed.splitlines())) <= 80
  # Again, from the artifact.
  show_examples.run(str(run), name, _LENGTHS, 'train', 2, 0)
  assert capsys.readouterr().out == printed
  path = run / 'examples' / 'examples.txt'
  assert path.read_text(encoding='utf-8') == printed


def test_what_is_cut_is_told(run, capsys):
  name = retrieval.in_words(
      worded_run.setting(run), variants=['Before: {history} | next']
  )
  lengths = {'inputs': 40, 'targets': 4}
  show_examples.run(str(run), name, lengths, 'test', 2, 0)
  printed = capsys.readouterr().out
  assert 'items of the history are left out' in printed
  # A task that does not end its samples itself is cut by the converter.
  name = retrieval.register('shown', run, add_eos=True)
  lengths = {'inputs': 40, 'targets': 3}
  show_examples.run(str(run), name, lengths, 'test', 1, 0)
  assert '4 of 3 tokens; the last 1 will be cut' in capsys.readouterr().out


def test_split_that_is_not_there_is_refused(run):
  name = auxiliary.mim(worded_run.setting(run))
  with pytest.raises(InputError, match="no split 'test'") as caught:
    show_examples.run(str(run), name, _LENGTHS, 'test', 2, 0)
  assert caught.value.expected == 'one of train'
