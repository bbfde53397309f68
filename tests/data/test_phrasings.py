# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import sentencepiece

from plum_jax.artifacts.errors import InputError
from plum_jax.data import phrasings
from plum_jax.vocabulary import text_model
from tasks import cpt

_TEXT = ['Item has title: Toy Story', 'The topics of the item are about it']
_PLACES = ('sid', 'sid_prefix', 'title')


@pytest.fixture(scope='module')
def model_file(tmp_path_factory):
  path = tmp_path_factory.mktemp('model') / 'text.model'
  base = text_model.train(_TEXT, 200)
  path.write_bytes(text_model.extend(base, extra_ids=0, level_sizes=(3, 2)))
  return path


@pytest.mark.parametrize('kind', list(cpt.PHRASINGS))
def test_a_filled_phrasing_is_what_sentencepiece_makes_of_it(kind, model_file):
  model = sentencepiece.SentencePieceProcessor(model_file=str(model_file))
  encoder = phrasings.Encoder(model_file)
  sid, title = '<sid_1_2><sid_2_1>', 'Toy Story'
  for text in cpt.PHRASINGS[kind]:
    text = text.format(noun='item', field='title')
    found = encoder.phrasing(text, _PLACES)
    tokens = np.concatenate(
        [
            part
            if isinstance(part, np.ndarray)
            else model.encode(title if part == 'title' else sid)[
                0 if part == 'title' else 1 :
            ]
            for part in found.parts
        ]
    )
    written = text.replace(' {sid', '{sid').format(
        sid=sid, sid_prefix=sid, title=title
    )
    assert tokens.tolist() == model.encode(written)


@pytest.mark.parametrize(
    ('text', 'what'),
    [
        ('No place at all', 'no place in it'),
        ('The {genre} of {sid}', 'no place {genre}'),
        ('The {title', 'cannot be used'),
    ],
)
def test_a_phrasing_that_cannot_be_filled_is_refused(text, what, model_file):
  with pytest.raises(InputError) as error:
    phrasings.Encoder(model_file).phrasing(text, _PLACES)
  assert what in error.value.what
  assert error.value.where == repr(text)
