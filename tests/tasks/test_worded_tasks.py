# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tasks in natural language: literal tokens, options, refusals."""

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pytest
import seqio

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import tables
from plum_jax.catalog.catalog import Catalog
from plum_jax.data import build as tasks_build
from plum_jax.data import rating_values
from plum_jax.data.evaluation_arrays import evaluation_arrays
from plum_jax.data.phrasings import Encoder
from plum_jax.data.task_description import describe
from plum_jax.vocabulary import build as vocabulary_build
from plum_jax.vocabulary.layout import VocabularyLayout
from tasks import auxiliary
from tasks import mixtures
from tasks import ranking
from tasks import rating
from tasks import retrieval
from tests.data import tiny_run
from tests.data import worded_run

_LENGTHS = {'inputs': 400, 'targets': 60}
_END = 1


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  return worded_run.build(tmp_path_factory.mktemp('worded'))


@pytest.fixture(scope='module')
def setting(run):
  return worded_run.setting(run)


@pytest.fixture(scope='module')
def write(run):
  """Encodes a text whose items are numbers."""
  first = VocabularyLayout.load(run / 'vocabulary').sid_first_id
  starts = first + np.array([0, 3, 5])
  encoder = Encoder(run / 'vocabulary' / 'vocabulary.model')

  def encode(*parts):
    tokens = []
    for part in parts:
      if isinstance(part, str):
        tokens += encoder.words(part, first=not tokens).tolist()
      else:
        tokens += (starts + worded_run.FULL_CODES[part]).tolist()
    return tokens

  return encode


def _examples(name, split='test', lengths=_LENGTHS, seed=0):
  dataset = seqio.get_mixture_or_task(name).get_dataset(
      lengths, split=split, shuffle=False, seed=seed
  )
  return list(dataset.as_numpy_iterator())


def _texts(run, name, split='train', lengths=_LENGTHS, seed=0):
  decode = worded_run.vocabulary(run).decode
  return [
      (decode(e['inputs'].tolist()), decode(e['targets'].tolist()))
      for e in _examples(name, split, lengths, seed)
  ]


def test_retrieval_has_literal_tokens(setting, write):
  name = retrieval.in_words(
      setting, variants=['Before: {history} | next', 'other {history}']
  )
  assert name == 'plum_worded_retrieval_in_words'
  # The first user's last two items are the targets of validation and test.
  first = _examples(name, 'validation')[0]
  films = [part for i in range(10) for part in (i, f'Film i{i}')]
  expected = write('Before:', *films, '| next')
  assert first['inputs'].tolist() == [*expected, _END]
  assert first['targets'].tolist() == [*write(10), _END]
  assert first['user'] == 0
  assert first['target_item_id'] == 10
  assert first['history_item_ids'].tolist() == list(range(10))
  json.dumps(describe(name))


def test_answers_are_titles_or_both(setting, write):
  for answer, parts in (
      ('title', ('Film i11',)),
      ('both', (11, 'Film i11')),
  ):
    name = retrieval.in_words(setting, answer=answer)
    first = _examples(name)[0]
    assert first['targets'].tolist() == [*write(*parts), _END]


def test_items_are_shown_by_sid_title_or_both(run, write):
  for show, shown in (
      ('sid', (0, 1)),
      ('title', ('Film i0', ',', 'Film i1', ',')),
      ('both', (0, 'Film i0', 1, 'Film i1')),
  ):
    setting = worded_run.setting(run, show=show, max_labels_per_user=None)
    name = retrieval.in_words(setting, variants=['H: {history}'])
    [example] = [
        e
        for e in _examples(name, 'train')
        if e['target_item_id'] == 2 and e['user'] == 0
    ]
    assert example['inputs'].tolist() == [*write('H:', *shown), _END]


def test_newest_items_that_fit_are_shown_and_the_words_always(setting, write):
  name = retrieval.in_words(setting, variants=['H: {history} | next'])
  whole = write('H:', 9, 'Film i9', 10, 'Film i10', '| next')
  for spare in (1, 2):  # Of the end alone, and of one token that nothing fits.
    lengths = {'inputs': len(whole) + spare, 'targets': 4}
    first = _examples(name, lengths=lengths)[0]
    assert first['inputs'].tolist() == [*whole, _END]
    assert first['num_left_out'] == 9
  with pytest.raises(InputError, match='no room for the longest sample'):
    _examples(name, lengths={'inputs': 10, 'targets': 4})
  with pytest.raises(InputError, match='3 tokens of targets have no room'):
    _examples(name, lengths={'inputs': 400, 'targets': 3})


def test_phrasings_are_drawn_in_training_and_first_in_evaluation(run, setting):
  variants = ['A {history}', 'B {history}', 'C {history}']
  name = retrieval.in_words(setting, variants=variants)
  openings = [text[0] for text, _ in _texts(run, name)]
  assert set(openings) == set('ABC')
  again = [text[0] for text, _ in _texts(run, name)]
  other = [text[0] for text, _ in _texts(run, name, seed=1)]
  assert openings == again
  assert openings != other
  assert {text[0] for text, _ in _texts(run, name, 'test')} == {'A'}


def test_samples_a_user_are_limited(run):
  name = retrieval.in_words(worded_run.setting(run, max_labels_per_user=3))
  users = [example['user'] for example in _examples(name, 'train')]
  assert sorted(users) == [0, 0, 0, 1, 1, 1]


def test_ranking_has_literal_tokens(setting, write):
  name = ranking.register(
      setting,
      num_candidates=3,
      list_rate=1.0,
      variants=['H {history}'],
      list_variants=['H {history} of {candidates} !'],
  )
  first = _examples(name)[0]
  films = [part for i in range(11) for part in (i, f'Film i{i}')]
  assert first['inputs'].tolist() == [*write('H', *films), _END]
  assert first['targets'].tolist() == [*write(11), _END]
  # Both users have been through all but the last two items of the other one.
  for example in _examples(name, 'train'):
    target = int(example['target_item_id'])
    is_first = example['user'] == 0
    before = range(target) if is_first else range(11, target, -1)
    films = [part for i in before for part in (i, f'Film i{i}')]
    negatives = (10, 11) if is_first else (0, 1)
    orders = [
        [*write('H', *films, 'of', *order, '!'), _END]
        for order in _orders((target, *negatives))
    ]
    assert example['inputs'].tolist() in orders


def _orders(items):
  if len(items) <= 1:
    return [tuple(items)]
  return [
      (one, *rest)
      for place, one in enumerate(items)
      for rest in _orders(items[:place] + items[place + 1 :])
  ]


def test_ranking_lists_candidates_in_a_share_of_the_samples(run):
  setting = worded_run.setting(run, show='sid')
  for rate, expected in ((0.0, {False}), (0.5, {True, False})):
    name = ranking.register(
        setting,
        num_candidates=3,
        list_rate=rate,
        candidates_show='title',
        list_variants=['{history} of {candidates} !'],
    )
    texts = [text for text, _ in _texts(run, name)]
    assert {'Film' in text for text in texts} == expected


def test_ranking_candidates_stand_at_any_place(run):
  name = ranking.register(
      worded_run.setting(run, show='title'),
      num_candidates=3,
      list_rate=1.0,
  )
  places = {
      worded_run.sids_in(text).index(*worded_run.sids_in(answer))
      for text, answer in _texts(run, name)
  }
  assert places == {0, 1, 2}


def test_ranking_refuses_candidates_in_the_wrong_phrasings(setting):
  with pytest.raises(InputError, match='among those of the other kind'):
    ranking.register(setting, variants=['{history} {candidates}'])
  with pytest.raises(InputError, match='among those of the other kind'):
    ranking.register(setting, list_variants=['{history}'])


def test_pointwise_ranking_has_literal_tokens(setting, write):
  name = ranking.pointwise(
      setting, variants=['H {history} like {item} ?'], negatives_per_item=2
  )
  first = _examples(name)[0]
  films = [part for i in range(11) for part in (i, f'Film i{i}')]
  assert first['inputs'].tolist() == [
      *write('H', *films, 'like', 11, 'Film i11', '?'),
      _END,
  ]
  assert first['targets'].tolist() == [*write('yes'), _END]
  answers = [e['targets'].tolist() for e in _examples(name, 'train')]
  yes, no = [*write('yes'), _END], [*write('no'), _END]
  assert answers == [yes, no, no] * (len(answers) // 3)


def test_rating_has_literal_tokens(run, setting, write):
  name = rating.register(setting, variants=['H {history} rate {item} :'])
  first = _examples(name, 'validation')[0]
  films = [
      part for i in range(10) for part in (i, f'Film i{i}', f'rated {i}.5')
  ]
  assert first['inputs'].tolist() == [
      *write('H', *films, 'rate', 10, 'Film i10', ':'),
      _END,
  ]
  assert first['targets'].tolist() == [*write('10.5'), _END]
  assert first['target_rating'] == 10.5
  values = rating_values.load(run)
  assert values.values == tuple(i + 0.5 for i in range(12))
  assert values.token_ids[10] == (*write('10.5'), _END)


def test_mim_has_literal_tokens(run, setting, write):
  sentinel = VocabularyLayout.load(run / 'vocabulary').sid_first_id - 1
  name = auxiliary.mim(setting, variants=['H {history} !'])
  assert seqio.get_mixture_or_task(name).splits == ('train',)
  for example in _examples(name, 'train'):
    masked = int(example['target_item_id'])
    assert example['targets'].tolist() == [
        *write(masked, f'Film i{masked}'),
        _END,
    ]
    inputs = example['inputs'].tolist()
    at = inputs.index(sentinel)
    # What was masked, put back, makes a stretch of the history.
    shown = [*inputs[:at], *write(masked, f'Film i{masked}'), *inputs[at + 1 :]]
    step, start = (1, 0) if example['user'] == 0 else (-1, 11)
    stretches = [
        [
            *write(
                'H',
                *(
                    part
                    for i in range(start, start + step * n, step)
                    for part in (i, f'Film i{i}')
                ),
                '!',
            ),
            _END,
        ]
        for n in range(2, 11)
    ]
    assert shown in stretches


def test_mim_masks_with_words_if_asked_to(run, setting):
  name = auxiliary.mim(setting, mask='(which film)', answer='title')
  for text, answer in _texts(run, name):
    assert '(which film)' in text
    assert answer.startswith('Film i')


def test_mlm_masks_whole_fields(run, setting, write):
  last = VocabularyLayout.load(run / 'vocabulary').sid_first_id - 1
  name = auxiliary.mlm(setting, noise_density=0.4, variants=['H {history} !'])
  fields = [tuple(write(i)) for i in range(12)]
  fields += [tuple(write(f'Film i{i}')) for i in range(12)]
  num_masked = set()
  for example in _examples(name, 'train'):
    targets = example['targets'].tolist()
    assert targets[-1] == _END
    spans = _spans(targets[:-1], last)
    assert all(span in fields for span in spans)
    num_masked.add(len(spans))
    assert np.all(np.isin(last - np.arange(len(spans)), example['inputs']))
    restored = []
    for token in example['inputs'].tolist():
      known = last - len(spans) < token <= last
      restored += spans[last - token] if known else [token]
    step, start = (1, 0) if example['user'] == 0 else (-1, 11)
    count = abs(int(example['target_item_id']) - start) + 1
    films = [
        part
        for i in range(start, start + step * count, step)
        for part in (i, f'Film i{i}')
    ]
    assert restored == [*write('H', *films, '!'), _END]
  assert len(num_masked) > 2


def _spans(targets, last):
  """Takes a target apart at its sentinels, which come in order."""
  spans = []
  for token in targets:
    if token == last - len(spans):
      spans.append(())
    else:
      spans[-1] += (token,)
  return spans


def test_mlm_targets_fit_their_length(setting):
  name = auxiliary.mlm(setting, noise_density=0.9)
  lengths = {'inputs': 400, 'targets': 12}
  found = [len(e['targets']) for e in _examples(name, 'train', lengths)]
  assert found
  assert max(found) <= 12


def test_bpr_has_literal_tokens(setting, write):
  name = auxiliary.bpr(setting, variants=['H {history} of {first} or {second}'])
  firsts = set()
  for example in _examples(name, 'train'):
    own = int(example['target_item_id'])
    assert example['targets'].tolist() == [*write(own), _END]
    step, start = (1, 0) if example['user'] == 0 else (-1, 11)
    films = [
        part for i in range(start, own, step) for part in (i, f'Film i{i}')
    ]
    others = (10, 11) if example['user'] == 0 else (0, 1)
    wanted = {}
    for other in others:
      for first, second in ((own, other), (other, own)):
        text = write(
            'H', *films, 'of', first, f'Film i{first}', 'or', second,
            f'Film i{second}',
        )  # fmt: skip
        wanted[(*text, _END)] = first == own
    firsts.add(wanted[tuple(example['inputs'].tolist())])
  assert firsts == {True, False}


def test_evaluation_asks_with_these_prompts(setting):
  name = ranking.register(setting)
  arrays = evaluation_arrays(name, 'test', _LENGTHS, 'encoder_decoder')
  assert arrays['target_item_ids'].tolist() == [11, 0]
  for row, example in enumerate(_examples(name)):
    inputs = example['inputs'].tolist()
    found = arrays['encoder_input_tokens'][row]
    assert found[: len(inputs)].tolist() == inputs
    assert not found[len(inputs) :].any()


def test_mixture_flattens_lists_and_mixes_at_its_rates(setting):
  tasks = [
      retrieval.in_words(setting),
      [ranking.register(setting), [auxiliary.mim(setting)], []],
  ]
  rates = {'retrieval_in_words': 4, 'ranking': 1, 'mim': 1, 'bpr': 100}
  name = mixtures.register('worded', tasks, rates)
  described = describe(name)['tasks']
  assert {task: one['rate'] for task, one in described.items()} == {
      'plum_worded_retrieval_in_words': 4,
      'plum_worded_ranking': 1,
      'plum_worded_mim': 1,
  }
  json.dumps(described)
  name = mixtures.register('worded', tasks, rates, temperature=2.0)
  rate = describe(name)['tasks']['plum_worded_retrieval_in_words']['rate']
  assert rate == 2.0
  with pytest.raises(InputError, match="no rate for the task 'mim'"):
    mixtures.register('worded', tasks, {'retrieval_in_words': 1, 'ranking': 1})
  with pytest.raises(InputError, match='rate is not positive'):
    mixtures.register('worded', tasks, rates | {'mim': 0})


def test_options_that_cannot_be_are_refused(run, setting):
  for make, what in (
      (lambda: retrieval.in_words(setting, answer='id'), "answer is 'id'"),
      (lambda: worded_run.setting(run, show='all'), "show is 'all'"),
      (lambda: worded_run.setting(run, label_rate=2.0), r'label_rate is 2\.0'),
      (lambda: worded_run.setting(run, max_items=0), 'max_items is 0'),
      (lambda: ranking.register(setting, num_candidates=1), 'num_candidates'),
      (lambda: retrieval.in_words(setting, items_per_sample=0), 'per_sample'),
      (lambda: rating.register(setting, items_per_sample=0), 'per_sample'),
      (lambda: rating.register(setting, items_per_sample=102), 'sentinels'),
      (lambda: ranking.register(setting, list_rate=1.5), 'list_rate is 1.5'),
      (lambda: ranking.register(setting, negatives='best'), "'best'"),
      (lambda: ranking.pointwise(setting, negatives_per_item=0), 'per_item'),
      (lambda: auxiliary.mlm(setting, noise_density=1.0), 'noise_density'),
      (
          lambda: auxiliary.bpr(setting, variants=['{history} {item}']),
          'there is no place {item}',
      ),
      (
          lambda: retrieval.in_words(
              worded_run.setting(run, item_fields=['brand'])
          ),
          "no text field 'brand'",
      ),
  ):
    with pytest.raises(InputError, match=what):
      make()


def test_items_without_a_title_are_not_asked_for_by_title(tmp_path):
  tiny_run.write_inputs(tmp_path, [[0, 1, 2, 3, 4, 5]], worded_run.CODES)
  folder = tmp_path / 'catalog'
  catalog = Catalog.load(folder)
  titles = [f'Film i{i}' if i != 2 else '' for i in range(12)]
  items = tables.make_items(pa.array(catalog.item_ids), pa.array(titles))
  (folder / 'manifest.json').unlink()
  dataclasses.replace(catalog, items=items).save(folder)
  manifest.Manifest('catalog', {}, {}).save(folder)
  inputs = {
      'catalog_directory': folder,
      'semantic_ids_directory': tmp_path / 'semantic_ids',
  }
  vocabulary_build.build(tmp_path / 'vocabulary', **inputs)
  tasks_build.build(tmp_path / 'tasks', **inputs)
  setting = worded_run.setting(tmp_path)
  name = retrieval.in_words(setting, answer='title')
  asked = [int(e['target_item_id']) for e in _examples(name, 'train')]
  assert asked == [1, 3]
  # Shown they are, by their Semantic IDs.
  assert all(
      worded_run.sids_in(text) == list(range(number))
      for number, (text, _) in zip(asked, _texts(tmp_path, name), strict=True)
  )
