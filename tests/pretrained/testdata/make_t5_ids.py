# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes t5_ids.json: ids that T5's own tokenizer gives to texts.

In an environment of its own, Python 3.11, with T5's spiece.model alone in a
folder:

    pip install transformers==5.23.0 sentencepiece protobuf
    python make_t5_ids.py /path/to/folder
"""

import json
import pathlib
import sys

from transformers import T5Tokenizer

TEXTS = [
    'The movie is about dogs.',
    'translate English to German: That is good.',
    '  double  spaces (1995) and\ttabs\n',
    'Ängström naïve café — 東京 ½ ﬁne',
    'The <extra_id_0> walks in <extra_id_1> park',
    *(f'<extra_id_{i}>' for i in range(100)),
]


def main(folder: str) -> None:
  tokenizer = T5Tokenizer.from_pretrained(folder)
  found = {text: tokenizer(text).input_ids for text in TEXTS}
  path = pathlib.Path(__file__).parent / 't5_ids.json'
  lines = [
      f'  {json.dumps(text, ensure_ascii=False)}: {json.dumps(ids)}'
      for text, ids in found.items()
  ]
  path.write_text('{\n' + ',\n'.join(lines) + '\n}\n', 'utf-8')


if __name__ == '__main__':
  main(sys.argv[1])
